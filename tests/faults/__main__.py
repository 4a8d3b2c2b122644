"""Kill runs of the tiny study at random: ``python -m tests.faults [--kills 50] [--seed 1]``.

Each run is killed and gone on with until it is finished, and then another is begun, until there
were as many kills as asked for. By turns a run begins with nothing, or with a finished study some
of whose settings are then changed. After every kill all files under a final name must be those of
a run that nothing disturbed, of this study or of the one before, byte by byte; at the end of every
run all must be this study's and none may be missing.
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

# What is changed in a study that is finished before a run of it is killed.
CHANGES = {
    "step: 0.5, steps: 2}": "step: 0.5, steps: 1}",
    "controls: [shuffled]": "controls: [random]",
}


def main(arguments: list[str]) -> int:
    """Exit status: 0 where every file was right after every kill."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--per-run", type=int, default=12, help="after which a run is left alone")
    parser.add_argument("--longest", type=float, default=20.0, help="seconds before a kill")
    asked = parser.parse_args(arguments)
    rng = random.Random(asked.seed)
    wrong: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        # One copy for all runs: the checkout may be edited meanwhile.
        template = Workflow(made_folder(folder, "template"))
        undisturbed = finished(copy_of(template, Path(folder, "undisturbed")))
        before = copy_of(template, Path(folder, "before"))
        edit(before)
        finished(before)
        expected, others = made(undisturbed), made(before)
        count = run = 0
        while count < asked.kills:
            run += 1
            # By turns from nothing, and from a finished study with other settings.
            anew = run % 2 == 1
            workflow = copy_of(template if anew else before, Path(folder, f"run-{run}"))
            shutil.copy(template.folder / template.study, workflow.folder / template.study)
            kills = min(asked.per_run, asked.kills - count)
            waits = [rng.uniform(1.0, asked.longest) for _ in range(kills)]
            allowed = [expected] if anew else [expected, others]
            killed, other = gone_through(Disturbed(workflow, rng), waits, allowed)
            last = {name: path for name, path in made(workflow).items() if name in expected}
            left = sorted(expected.keys() - last.keys()) + other_than(last, expected)
            count += killed
            wrong += other + left
            begun = "nothing" if anew else "a finished study with other settings"
            print(f"run {run}, from {begun}, ended; {count} kills; missing or other: {left}")
    print(f"{count} kills over {run} runs, {len(wrong)} wrong files", flush=True)
    return int(bool(wrong))


def gone_through(
    disturbed: Disturbed, waits: list[float], allowed: list[dict[str, Path]]
) -> tuple[int, list[str]]:
    """Kill a run after each of some waits and go on to its end.

    Returns
    -------
    How often it was killed, as it may end before, and the files that were not as allowed.
    """
    killed, wrong, done = 0, [], False
    left = list(waits)
    while not done:
        done, what = disturbed.run(left.pop(0) if left else None)
        killed += what.startswith("killed")
        other = other_than(made(disturbed.workflow), *allowed)
        wrong += other
        said = f"; not as undisturbed: {', '.join(other)}" if other else ""
        print(f"    {what}{said}", flush=True)
    return killed, wrong


def finished(workflow: Workflow) -> Workflow:
    """The same after a run that nothing disturbs."""
    start = time.monotonic()
    result = workflow.run()
    if result.returncode:
        raise SystemExit(result.stdout + result.stderr)
    seconds = time.monotonic() - start
    print(f"undisturbed: {len(made(workflow))} files in {seconds:.0f} s", flush=True)
    return workflow


def edit(workflow: Workflow) -> None:
    """Change settings of a study: of an attack, with all that follows from it, and of a measure."""
    study = workflow.folder / workflow.study
    text = study.read_text(encoding="utf-8")
    for old, new in CHANGES.items():
        assert old in text
        text = text.replace(old, new)
    study.write_text(text, encoding="utf-8")


def copy_of(workflow: Workflow, folder: Path) -> Workflow:
    """The same files in another folder, with the times that they have."""
    twin = Workflow.__new__(Workflow)
    twin.folder, twin.study = shutil.copytree(workflow.folder, folder), workflow.study
    return twin


def made_folder(*parts: str) -> Path:
    """A new folder."""
    folder = Path(*parts)
    folder.mkdir()
    return folder


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
