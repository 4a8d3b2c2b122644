"""Runs of a study that are killed at random and restarted."""

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

# What is killed: one job, Snakemake without its jobs, or Snakemake with its jobs.
VICTIMS = ("a job", "Snakemake", "all")
# Files that differ between runs, as they hold times or the key of a run.
VARIABLE_FILES = ("logs/", "records/run.txt")


class DisturbedStudy:
    """A study whose runs are killed.

    Parameters
    ----------
    workflow
        The project's files, in a folder of their own.
    targets
        Files to make; empty for the whole study.
    rng
        Chooses what is killed.
    """

    def __init__(self, workflow: Workflow, rng: random.Random, targets: tuple[str, ...] = ()):
        self.workflow, self.rng, self.targets = workflow, rng, targets

    def run(self, seconds: float | None) -> tuple[bool, str]:
        """Run until the end, or kill the run after some seconds.

        Returns
        -------
        Whether the run completed, and a description of how it ended.
        """
        self._unlock()
        start = time.monotonic()
        snakemake = self._start()
        try:
            code = snakemake.wait(timeout=seconds)
            return code == 0, f"ended with {code}"
        except subprocess.TimeoutExpired:
            description = self._kill(snakemake)
            return False, f"{description} after {time.monotonic() - start:.1f} s"

    def _kill(self, running: subprocess.Popen) -> str:
        snakemake = psutil.Process(running.pid)
        children = snakemake.children(recursive=True)
        jobs = [process for process in children if rule_of(process)]
        victim = self.rng.choice(VICTIMS if jobs else VICTIMS[1:])
        processes = [snakemake, *children]
        if victim != "all":
            processes = [snakemake] if victim == "Snakemake" else [self.rng.choice(jobs)]
        rules = ", ".join(sorted(map(rule_of, jobs))) or "none"
        for process in processes:
            with suppress(psutil.NoSuchProcess):
                process.send_signal(signal.SIGKILL)
        # Snakemake ends when one of its jobs was killed, after the others have ended.
        running.wait(timeout=300)
        return f"killed {victim} (running jobs: {rules})"

    def _start(self) -> subprocess.Popen:
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


def result_files(workflow: Workflow) -> dict[str, Path]:
    """Return a study's files under a final name, by their path below its results."""
    top = workflow.folder / "results" / Path(workflow.study).stem
    files = {path.relative_to(top).as_posix(): path for path in top.rglob("*") if path.is_file()}
    return {
        name: path
        for name, path in files.items()
        if not name.startswith(VARIABLE_FILES)
        and not path.name.startswith(".")
        and not path.stem.startswith("training_speed")
    }


def differing_files(files: dict[str, Path], *allowed: dict[str, Path]) -> list[str]:
    """Return the names of the files whose bytes differ from the file of that name in each run."""
    names = []
    for name, path in files.items():
        # The state of a training is no result; it is deleted when the training ends.
        if path.name != "training_state.pt":
            with suppress(FileNotFoundError):
                content = path.read_bytes()
                if all(content != run[name].read_bytes() for run in allowed if name in run):
                    names.append(name)
    return names


def rule_of(process: psutil.Process) -> str:
    """Return the rule whose script a process runs; empty if it runs none."""
    with suppress(psutil.Error):
        for word in process.cmdline():
            if "/.snakemake/scripts/" in word and word.endswith(".py"):
                # Snakemake names its copies `tmp<random>.<rule>.py`.
                return Path(word).name.split(".")[-2]
    return ""
