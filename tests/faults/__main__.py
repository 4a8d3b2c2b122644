"""Kill runs of the tiny study at random: ``python -m tests.faults [--kills 50] [--seed 1]``.

Each run is killed and restarted until it completes, then another begins, until the number of kills
is reached. Runs begin alternately in an empty folder and in a completed study, some of whose
settings are then changed. After every kill, all files under a final name must be equal, byte by
byte, to those of an undisturbed run of this study or of the one before. At the end of every run all
files must be this study's and none may be missing.
"""

import argparse
import random
import shutil
import sys
import tempfile
import time
from pathlib import Path

from tests.conftest import Workflow
from tests.faults.killing import DisturbedStudy, differing_files, result_files

# Settings of a completed study that are changed before a run of it is killed.
CHANGES = {
    "step: 0.5, steps: 2}": "step: 0.5, steps: 1}",
    "controls: [shuffled]": "controls: [random]",
}


def main(arguments: list[str]) -> int:
    """Return 0 if every file was right after every kill, else 1."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--per-run", type=int, default=12, help="most kills of one run")
    parser.add_argument("--longest", type=float, default=20.0, help="most seconds before a kill")
    settings = parser.parse_args(arguments)
    rng = random.Random(settings.seed)
    wrong_files: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        # All runs use one copy, since the checkout may be edited meanwhile.
        template = Workflow(new_folder(folder, "template"))
        undisturbed = copy_of(template, Path(folder, "undisturbed"))
        complete(undisturbed)
        earlier = copy_of(template, Path(folder, "earlier"))
        change_settings(earlier)
        complete(earlier)
        expected, earlier_files = result_files(undisturbed), result_files(earlier)
        n_kills = run = 0
        while n_kills < settings.kills:
            run += 1
            from_nothing = run % 2 == 1
            workflow = copy_of(template if from_nothing else earlier, Path(folder, f"run-{run}"))
            shutil.copy(template.folder / template.study, workflow.folder / template.study)
            n_waits = min(settings.per_run, settings.kills - n_kills)
            waits = [rng.uniform(1.0, settings.longest) for _ in range(n_waits)]
            allowed = [expected] if from_nothing else [expected, earlier_files]
            killed, wrong = kill_and_restart(DisturbedStudy(workflow, rng), waits, allowed)
            files = {
                name: path for name, path in result_files(workflow).items() if name in expected
            }
            wrong_at_end = sorted(expected.keys() - files.keys()) + differing_files(files, expected)
            n_kills += killed
            wrong_files += wrong + wrong_at_end
            start = "an empty folder" if from_nothing else "a completed study"
            print(f"run {run}, from {start}, ended; {n_kills} kills; wrong files: {wrong_at_end}")
    print(f"{n_kills} kills in {run} runs, {len(wrong_files)} wrong files", flush=True)
    return int(bool(wrong_files))


def kill_and_restart(
    study: DisturbedStudy, waits: list[float], allowed: list[dict[str, Path]]
) -> tuple[int, list[str]]:
    """Kill a run after each of these seconds, restart it each time, and let it complete.

    Returns
    -------
    Number of kills, fewer than `waits` if it completes before, and the files that differed from
    those allowed.
    """
    n_kills, wrong_files, completed = 0, [], False
    waits = list(waits)
    while not completed:
        completed, outcome = study.run(waits.pop(0) if waits else None)
        n_kills += outcome.startswith("killed")
        files = differing_files(result_files(study.workflow), *allowed)
        wrong_files += files
        print(f"    {outcome}" + f"; wrong: {', '.join(files)}" * bool(files), flush=True)
    return n_kills, wrong_files


def complete(workflow: Workflow) -> None:
    """Run a study without disturbing it."""
    start = time.monotonic()
    result = workflow.run()
    if result.returncode:
        raise SystemExit(result.stdout + result.stderr)
    seconds = time.monotonic() - start
    print(f"undisturbed: {len(result_files(workflow))} files in {seconds:.0f} s", flush=True)


def change_settings(workflow: Workflow) -> None:
    """Change settings of a study: of an attack, on which much depends, and of a measurement."""
    study = workflow.folder / workflow.study
    text = study.read_text(encoding="utf-8")
    for old, new in CHANGES.items():
        assert old in text
        text = text.replace(old, new)
    study.write_text(text, encoding="utf-8")


def copy_of(workflow: Workflow, folder: Path) -> Workflow:
    """Return a workflow with the same files, of the same times, in another folder."""
    copy = Workflow.__new__(Workflow)
    copy.folder, copy.study = shutil.copytree(workflow.folder, folder), workflow.study
    return copy


def new_folder(*parts: str) -> Path:
    """Create a folder and return its path."""
    folder = Path(*parts)
    folder.mkdir()
    return folder


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
