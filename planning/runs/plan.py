"""Print what a run would do and why, with its time estimated from earlier runs.

``python -m planning.runs.plan ARGUMENTS``, with Snakemake's own arguments. Nothing is run.
"""

import os
import re
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from statistics import median

from planning.runs.changes import describe_change

# Beginnings of Snakemake's reasons, in plain words. If a job has several reasons, the first in
# this order is shown; "" stands for what `describe_change` returns.
REASONS = {
    "Forced execution": "requested",
    "Params have changed": "",
    "Code has changed": "its code changed",
    "Set of input files has changed": "it reads other files than before",
    "Software environment": "its environment changed",
    "Updated input files": "its inputs changed",
    "Incomplete output files": "it was interrupted",
    "Missing output files": "its outputs do not exist yet",
    "Input files updated by another job": "its inputs are computed again",
}
# The plan is grouped by the first of these wildcards that a job has.
SUBJECTS = {
    "model": "network",
    "pair": "pair",
    "image_set": "image set",
    "concept_set": "concept set",
    "segmenter": "segmenter",
}
NO_SUBJECT = "tables, figures and report"


@dataclass
class Job:
    """A job of a dry run."""

    rule: str
    wildcards: dict[str, str] = field(default_factory=dict)
    reason: str = ""
    log: str = ""

    @property
    def subject(self) -> str:
        """What the job is about, such as ``network alexnet``."""
        for wildcard, kind in SUBJECTS.items():
            if wildcard in self.wildcards:
                return f"{kind} {self.wildcards[wildcard]}"
        return NO_SUBJECT


def main(arguments: list[str]) -> int:
    """Print the plan; return Snakemake's exit code."""
    command = [sys.executable, "-m", "snakemake", *arguments, "--dry-run", "--quiet", "host"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    output = result.stdout + result.stderr
    if result.returncode:
        print(output, file=sys.stderr)
    else:
        warnings = [line for line in output.splitlines() if line.startswith("warning: ")]
        print(*warnings, plan(jobs_of(output)), sep="\n")
    return result.returncode


def jobs_of(output: str) -> list[Job]:
    """Return the jobs that the output of a dry run lists, without the target `all`."""
    jobs: list[Job] = []
    for line in output.splitlines():
        if rule := re.match(r"\s*(?:local)?(?:rule|checkpoint) (\w+):", line):
            jobs.append(Job(rule[1]))
        elif jobs and (setting := re.match(r"\s+(reason|log): (.*)", line)):
            setattr(jobs[-1], setting[1], setting[2])
        elif jobs and (wildcards := re.match(r"\s+wildcards: (.*)", line)):
            jobs[-1].wildcards = dict(part.split("=", 1) for part in wildcards[1].split(", "))
    return [job for job in jobs if job.rule != "all"]


def plan(jobs: list[Job]) -> str:
    """Return what would run, by subject and rule, each with its reason and time."""
    if not jobs:
        return "nothing would run: all results are up to date"
    n_unknown = sum(seconds_of(job) is None for job in jobs)
    total = f"{_count(len(jobs))} would run"
    if n_unknown < len(jobs):
        total += f", about {_duration_of(jobs)} of work judging by earlier runs"
        total += f" ({_count(n_unknown)} without an earlier run not counted)" * bool(n_unknown)
    lines = [total]
    subjects = {job.subject for job in jobs}
    for subject in sorted(subjects, key=lambda subject: (subject == NO_SUBJECT, subject)):
        lines += ["", subject, *_rule_lines(job for job in jobs if job.subject == subject)]
    return "\n".join(lines)


def _rule_lines(jobs: Iterable[Job]) -> list[str]:
    """Return one line for each rule and reason among the jobs of a subject."""
    groups: dict[tuple[str, str], list[Job]] = {}
    for job in jobs:
        groups.setdefault((job.rule, explain(job.reason)), []).append(job)
    lines = []
    for (rule, reason), group in groups.items():
        size = ", ".join(filter(None, [_count(len(group)), _duration_of(group)]))
        lines.append(f"    {rule}: {size}: {reason}")
    return lines


def explain(reason: str) -> str:
    """Return Snakemake's reason for running a job in plain words."""
    causes = re.split(r"; (?=[A-Z])", reason)
    for beginning, words in REASONS.items():
        for cause in causes:
            if cause.startswith(beginning):
                return words or describe_change(cause)
    return reason


def seconds_of(job: Job) -> float | None:
    """Return the time that a job took when it last ran, else the median of its rule's jobs.

    None if no job of its rule has run.
    """
    if not job.log:
        return None
    log = Path(job.log)
    seconds = logged_seconds(log)
    if seconds is None and log.parent.name == job.rule:
        return median_seconds(log.parent)
    return seconds


@cache
def median_seconds(folder: Path) -> float | None:
    """Return the median time of the jobs that have logs in a folder: those of one rule."""
    times = [
        seconds for log in folder.glob("*.log") if (seconds := logged_seconds(log)) is not None
    ]
    return median(times) if times else None


def logged_seconds(log: Path) -> float | None:
    """Return the seconds that a job took with its start, by its log; None if it did not end."""
    if not log.is_file():
        return None
    text = log.read_text(encoding="utf-8")
    times = re.search(r"^took ([\d.]+) s and ([\d.]+) s to start", text, re.MULTILINE)
    return sum(map(float, times.groups())) if times else None


def duration(seconds: float) -> str:
    """Return a time as ``90 s``, ``12 min`` or ``3.5 h``."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def _duration_of(jobs: Iterable[Job]) -> str:
    """Return the time of jobs together, as far as it is known; empty if none is."""
    times = [seconds for job in jobs if (seconds := seconds_of(job)) is not None]
    return duration(sum(times)) if times else ""


def _count(number: int) -> str:
    return f"{number} job" + "s" * (number != 1)


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except BrokenPipeError:
        # As of `make plan | head`. Python's last flush would raise the same error.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
