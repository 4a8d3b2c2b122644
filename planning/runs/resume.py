"""Goes on with a study on a Slurm cluster after its Snakemake was killed.

``python -m planning.runs.resume ARGUMENTS``, with the arguments of the Snakemake that was killed.
The jobs that it left in the queue are cancelled, the folder is unlocked, and Snakemake starts anew:
what is whole is kept, and no output is written by two jobs at once.
"""

import re
import subprocess
import sys
import time
from pathlib import Path

import psutil

# Snakemake's jobs carry the name of their run, after a prefix where a profile gives one.
RUN_NAME = re.compile(r"(\S+_)?[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
# Slurm needs `KillWait`, by default 30 s, for a job that does not end when it is asked to.
PATIENCE = 120.0


class ResumeError(Exception):
    """What prevents going on; its message is one line."""


def main(arguments: list[str]) -> int:
    """Cancel, unlock, go on; returns Snakemake's exit code."""
    folder = Path.cwd()
    study = study_of(arguments)
    if running := controllers(folder, study):
        raise ResumeError(
            f"a Snakemake still works on this study (process {running[0]}): stop it by Ctrl-C "
            "and wait until it has ended"
        )
    orphans = orphaned_jobs(folder, study)
    if orphans:
        print(f"cancelling {len(orphans)} jobs: {' '.join(orphans)}", flush=True)
        subprocess.run(["scancel", *orphans], check=True)
        wait_until_gone(orphans)
    snakemake = [sys.executable, "-m", "snakemake", *arguments]
    subprocess.run([*snakemake, "--unlock"], check=True)
    return subprocess.run(snakemake, check=False).returncode


def study_of(arguments: list[str]) -> Path | None:
    """File of the study among Snakemake's arguments; None for the default study."""
    for name, value in zip(arguments, [*arguments[1:], ""], strict=True):
        if name in ("--configfile", "--configfiles"):
            return Path(value).resolve()
        if name.startswith(("--configfile=", "--configfiles=")):
            return Path(name.split("=", 1)[1]).resolve()
    return None


def controllers(folder: Path, study: Path | None) -> list[int]:
    """Processes of Snakemakes on this machine that work on a study and are no jobs of one."""
    found = []
    for process in psutil.process_iter():
        try:
            command, place = process.cmdline(), process.cwd()
        except psutil.Error:
            continue
        runs_snakemake = any(Path(word).name == "snakemake" for word in command[:3])
        if runs_snakemake and "--mode" not in command and Path(place) == folder:
            # Its configuration may be given by a path from the folder, which is also ours.
            found += [process.pid] if study_of(command) == study else []
    return found


def orphaned_jobs(folder: Path, study: Path | None) -> list[str]:
    """Ids of the jobs in the queue that a Snakemake sent for a study in this folder."""
    found = []
    for line in slurm("squeue", "--me", "--noheader", "--format=%i|%j|%Z").splitlines():
        job, name, place = line.split("|", 2)
        if RUN_NAME.fullmatch(name) and Path(place) == folder and study_of_job(job) == study:
            found.append(job)
    return found


def study_of_job(job: str) -> Path | None:
    """File of the study that a job in the queue belongs to."""
    words = slurm("scontrol", "write", "batch_script", job, "-").split()
    return study_of([word.strip("'\"") for word in words])


def wait_until_gone(jobs: list[str]) -> None:
    """Return when no process of these jobs is left that could write."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        # `squeue` shows a job until its last process has ended.
        left = set(slurm("squeue", "--me", "--noheader", "--format=%i").split())
        if not left & set(jobs):
            return
        time.sleep(1)
    raise ResumeError(f"these jobs do not end: {' '.join(jobs)}; see `squeue --me`, then try again")


def slurm(*command: str) -> str:
    """Output of one of Slurm's commands."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    except FileNotFoundError:
        raise ResumeError(
            f"no {command[0]}: this machine reaches no Slurm cluster; "
            "elsewhere use `snakemake --unlock`, then `make run`"
        ) from None
    except subprocess.CalledProcessError as error:
        raise ResumeError(f"{command[0]}: {' '.join(error.stderr.split())}") from None
    return done.stdout


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except ResumeError as error:
        sys.exit(f"error: {error}")
