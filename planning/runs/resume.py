"""Resume a study on a Slurm cluster after its Snakemake was killed.

``python -m planning.runs.resume ARGUMENTS``, with the arguments of the Snakemake that was killed.
The jobs that it left in the queue are cancelled, the folder is unlocked, and Snakemake is started
again. Complete results are kept, and no output is written by two jobs at once.
"""

import re
import subprocess
import sys
import time
from pathlib import Path

import psutil

# Snakemake's Slurm jobs are named by the id of their run, after a prefix if the profile sets one.
RUN_NAME = re.compile(r"(\S+_)?[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
# Seconds to wait for cancelled jobs. Slurm kills one that does not end within `KillWait`, by
# default 30 s.
TIMEOUT = 120.0


class ResumeError(Exception):
    """An error that prevents resuming; its message is one line."""


def main(arguments: list[str]) -> int:
    """Cancel the jobs, unlock the folder and run Snakemake; return its exit code."""
    folder = Path.cwd()
    study = study_of(arguments)
    if processes := controllers(folder, study):
        raise ResumeError(
            f"a Snakemake still works on this study (process {processes[0]}): stop it by Ctrl-C "
            "and wait until it has ended"
        )
    jobs = orphaned_jobs(folder, study)
    if jobs:
        print(f"cancelling {len(jobs)} jobs: {' '.join(jobs)}", flush=True)
        subprocess.run(["scancel", *jobs], check=True)
        wait_until_ended(jobs)
    snakemake = [sys.executable, "-m", "snakemake", *arguments]
    subprocess.run([*snakemake, "--unlock"], check=True)
    return subprocess.run(snakemake, check=False).returncode


def study_of(arguments: list[str]) -> Path | None:
    """Return the study's file among Snakemake's arguments; None for the default study."""
    for name, value in zip(arguments, [*arguments[1:], ""], strict=True):
        if name in ("--configfile", "--configfiles"):
            return Path(value).resolve()
        if name.startswith(("--configfile=", "--configfiles=")):
            return Path(name.split("=", 1)[1]).resolve()
    return None


def controllers(folder: Path, study: Path | None) -> list[int]:
    """Return the processes on this machine that run a study with Snakemake, without its jobs."""
    processes = []
    for process in psutil.process_iter():
        try:
            command, directory = process.cmdline(), Path(process.cwd())
        except psutil.Error:
            continue
        runs_snakemake = any(Path(word).name == "snakemake" for word in command[:3])
        # Jobs have `--mode`. Relative paths of studies are relative to `folder`.
        if runs_snakemake and "--mode" not in command and directory == folder:
            processes += [process.pid] if study_of(command) == study else []
    return processes


def orphaned_jobs(folder: Path, study: Path | None) -> list[str]:
    """Return the ids of the jobs in the queue that were submitted for a study in this folder."""
    jobs = []
    for line in slurm("squeue", "--me", "--noheader", "--format=%i|%j|%Z").splitlines():
        job, name, directory = line.split("|", 2)
        if RUN_NAME.fullmatch(name) and Path(directory) == folder and study_of_job(job) == study:
            jobs.append(job)
    return jobs


def study_of_job(job: str) -> Path | None:
    """Return the file of the study that a job in the queue belongs to."""
    words = slurm("scontrol", "write", "batch_script", job, "-").split()
    return study_of([word.strip("'\"") for word in words])


def wait_until_ended(jobs: list[str]) -> None:
    """Return when no process of these jobs can write any more."""
    end = time.monotonic() + TIMEOUT
    while time.monotonic() < end:
        # `squeue` shows a job until its last process has ended.
        queue = set(slurm("squeue", "--me", "--noheader", "--format=%i").split())
        if not queue & set(jobs):
            return
        time.sleep(1)
    raise ResumeError(
        f"these jobs do not end: {' '.join(jobs)}; see `squeue --me`, then run this again"
    )


def slurm(*command: str) -> str:
    """Return the output of one of Slurm's commands."""
    try:
        result = subprocess.run(command, capture_output=True, text=True, check=True)
    except FileNotFoundError:
        raise ResumeError(
            f"no {command[0]}: this machine is not part of a Slurm cluster; "
            "elsewhere run `make unlock`, then `make run`"
        ) from None
    except subprocess.CalledProcessError as error:
        raise ResumeError(f"{command[0]}: {' '.join(error.stderr.split())}") from None
    return result.stdout


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except ResumeError as error:
        sys.exit(f"error: {error}")
