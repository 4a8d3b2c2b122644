"""Kill runs of the tiny study at random: ``python -m tests.faults [--kills 50] [--seed 1]``.

Each run is killed and gone on with until it is finished, and then another is begun, until there
were as many kills as asked for. After every kill all files under a final name must be those of a
run that nothing disturbed, byte by byte, and at the end of every run no file may be missing.
"""

import argparse
import random
import shutil
import sys
import tempfile
import time
from pathlib import Path

from tests.conftest import Workflow
from tests.faults.killing import Disturbed, made, other_than


def main(arguments: list[str]) -> int:
    """Exit status: 0 where every file was right after every kill."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--longest", type=float, metavar="SECONDS", help="before a kill")
    asked = parser.parse_args(arguments)
    rng = random.Random(asked.seed)
    wrong: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        # One copy for all runs: the checkout may be edited meanwhile.
        undisturbed = Workflow(made_folder(folder, "undisturbed"))
        template = shutil.copytree(undisturbed.folder, Path(folder, "template"))
        start = time.monotonic()
        result = undisturbed.run()
        if result.returncode:
            raise SystemExit(result.stdout + result.stderr)
        expected = made(undisturbed)
        seconds = time.monotonic() - start
        longest = asked.longest or seconds / 8
        print(f"undisturbed: {len(expected)} files in {seconds:.0f} s", flush=True)
        count = run = 0
        while count < asked.kills:
            run += 1
            workflow = Workflow.__new__(Workflow)
            workflow.folder = shutil.copytree(template, Path(folder, f"run-{run}"))
            workflow.study = undisturbed.study
            disturbed, finished = Disturbed(workflow, rng), False
            while not finished:
                enough = count >= asked.kills
                finished, what = disturbed.run(None if enough else rng.uniform(1.0, longest))
                count += what.startswith("killed")
                other = other_than(made(workflow), expected)
                wrong += other
                said = f"; not as undisturbed: {', '.join(other)}" if other else ""
                print(f"{count:3}  run {run}  {what}{said}", flush=True)
            missing = expected.keys() - made(workflow).keys()
            wrong += sorted(missing)
            print(f"     run {run} finished; missing: {len(missing)}", flush=True)
    print(f"{count} kills over {run} runs, {len(wrong)} wrong files", flush=True)
    return int(bool(wrong))


def made_folder(*parts: str) -> Path:
    """A new folder."""
    folder = Path(*parts)
    folder.mkdir()
    return folder


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
