"""Runs of a study that are killed at random and gone on with."""

import os
import random
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import psutil

from tests.conftest import Workflow

KINDS = ("a job", "Snakemake", "all")
# What an undisturbed run need not have, or has with times in it.
APART = ("logs/", "records/engine.jsonl.gz")


class Disturbed:
    """A study that is killed while it runs, and what it has made.

    Parameters
    ----------
    workflow
        The project's files, in a folder of their own.
    targets
        Files to make; none for the whole study.
    rng
        Chooses what is killed.
    """

    def __init__(self, workflow: Workflow, rng: random.Random, targets: tuple[str, ...] = ()):
        self.workflow, self.rng, self.targets = workflow, rng, targets

    def run(self, patience: float | None) -> tuple[bool, str]:
        """Run until the end, or until a kill after some seconds; whether all is done, and how."""
        self._unlock()
        start = time.monotonic()
        running = self._begin()
        try:
            code = running.wait(timeout=patience)
            return code == 0, f"ended with {code}"
        except subprocess.TimeoutExpired:
            what = self._kill(running)
            return False, f"{what} after {time.monotonic() - start:.1f} s"

    def _kill(self, running: subprocess.Popen) -> str:
        snakemake = psutil.Process(running.pid)
        below = snakemake.children(recursive=True)
        jobs = [process for process in below if is_job(process)]
        kind = self.rng.choice(KINDS if jobs else KINDS[1:])
        doomed = {"a job": jobs and [self.rng.choice(jobs)], "Snakemake": [snakemake]}.get(
            kind, [snakemake, *below]
        )
        at_work = ", ".join(sorted(map(script_of, jobs))) or "none"
        for process in doomed:
            with suppress(psutil.NoSuchProcess):
                process.send_signal(signal.SIGKILL)
        # Without one of its jobs it ends by itself, once the others are done.
        running.wait(timeout=300)
        return f"killed {kind} (jobs at work: {at_work})"

    def _begin(self) -> subprocess.Popen:
        with (self.workflow.folder / "log").open("a") as log:
            return subprocess.Popen(
                self._command(),
                cwd=self.workflow.folder,
                env=self._environment(),
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def _unlock(self) -> None:
        command = [*self._command(), "--unlock"]
        subprocess.run(
            command,
            cwd=self.workflow.folder,
            env=self._environment(),
            capture_output=True,
            check=True,
        )

    def _command(self) -> list[str]:
        command = [sys.executable, "-m", "snakemake", *self.targets, "--cores", "2"]
        return [*command, "--configfile", self.workflow.study]

    def _environment(self) -> dict[str, str]:
        return {**os.environ, "PYTHONPATH": str(self.workflow.folder)}


def made(workflow: Workflow) -> dict[str, Path]:
    """Files of a study under a final name, by their path below its results."""
    top = workflow.folder / "results" / Path(workflow.study).stem
    files = {path.relative_to(top).as_posix(): path for path in top.rglob("*") if path.is_file()}
    return {
        name: path
        for name, path in files.items()
        if not name.startswith(APART)
        and not path.name.startswith(".")
        and not path.stem.startswith("training_speed")
    }


def other_than(found: dict[str, Path], *undisturbed: dict[str, Path]) -> list[str]:
    """Names of the files that no undisturbed run has, or that all of them have with other bytes."""
    wrong = []
    for name, path in found.items():
        twins = [run[name] for run in undisturbed if name in run]
        # The state of a training on its way is no result, and gone at its end.
        if path.name != "training_state.pt":
            with suppress(FileNotFoundError):
                content = path.read_bytes()
                if all(content != twin.read_bytes() for twin in twins):
                    wrong.append(name)
    return wrong


def is_job(process: psutil.Process) -> bool:
    """Whether a process runs a rule's script."""
    return bool(script_of(process))


def script_of(process: psutil.Process) -> str:
    """Rule whose script a process runs; nothing where it runs none."""
    with suppress(psutil.Error):
        for word in process.cmdline():
            if "/.snakemake/scripts/" in word and word.endswith(".py"):
                # The engine names its copies `tmp<random>.<rule>.py`.
                return Path(word).name.split(".")[-2]
    return ""
