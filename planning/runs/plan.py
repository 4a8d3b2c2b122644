"""Says in words what a run would do and why, with its time by earlier runs.

``python -m planning.runs.plan ARGUMENTS``, with Snakemake's own arguments. Nothing is run.
"""

import ast
import os
import re
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from statistics import median
from typing import Any

# Beginnings of Snakemake's reasons, in words; a cause hides those further down.
REASONS = {
    "Forced execution": "asked for",
    "Params have changed": "",
    "Code has changed": "its code changed",
    "Set of input files has changed": "it reads other files than before",
    "Software environment": "its environment changed",
    "Updated input files": "what it reads has changed",
    "Incomplete output files": "it was cut off, or what it made was damaged",
    "Missing output files": "not made yet",
    "Input files updated by another job": "what it reads is made anew",
}
# Whose jobs they are, by the first of these wildcards that a job has.
OWNERS = {
    "model": "network",
    "pair": "pair",
    "image_set": "image set",
    "concept_set": "concept set",
    "segmenter": "segmenter",
}
REST = "tables, figures and report"
ABSENT = "nothing"


@dataclass
class Job:
    """A job of a dry run."""

    rule: str
    wildcards: dict[str, str] = field(default_factory=dict)
    reason: str = ""
    log: str = ""

    @property
    def owner(self) -> str:
        """What the job is about, such as ``network alexnet``."""
        for wildcard, kind in OWNERS.items():
            if wildcard in self.wildcards:
                return f"{kind} {self.wildcards[wildcard]}"
        return REST


def main(arguments: list[str]) -> int:
    """Print the plan; returns Snakemake's exit code."""
    command = [sys.executable, "-m", "snakemake", *arguments, "--dry-run", "--quiet", "host"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    said = done.stdout + done.stderr
    if done.returncode:
        print(said, file=sys.stderr)
    else:
        print(*notes_in(said), plan(jobs_of(said)), sep="\n")
    return done.returncode


def notes_in(said: str) -> list[str]:
    """What the workflow itself had to say, of packages and damaged files."""
    return [line for line in said.splitlines() if line.startswith("note: ")]


def jobs_of(said: str) -> list[Job]:
    """Jobs that a dry run lists, but for the target `all`."""
    jobs = []
    for line in said.splitlines():
        if found := re.match(r"\s*(?:local)?(?:rule|checkpoint) (\w+):", line):
            jobs.append(Job(found[1]))
        elif jobs and (found := re.match(r"\s+(reason|log|wildcards): (.*)", line)):
            key, text = found.groups()
            if key == "wildcards":
                text = dict(part.split("=", 1) for part in text.split(", "))
            setattr(jobs[-1], key, text)
    return [job for job in jobs if job.rule != "all"]


def plan(jobs: list[Job]) -> str:
    """What would run, owner by owner and rule by rule, each with its reason and time."""
    if not jobs:
        return "nothing would run: all is there and nothing changed"
    times = [seconds_of(job) for job in jobs]
    known = [time for time in times if time is not None]
    lines = [f"{counted(len(jobs))} would run"]
    if known:
        lines[0] += f", about {duration(sum(known))} of work by the times of earlier runs"
    if known and len(known) < len(jobs):
        lines[0] += f", without {counted(len(jobs) - len(known))} that never ran"
    for owner in sorted({job.owner for job in jobs}, key=lambda owner: (owner == REST, owner)):
        mine = [(job, time) for job, time in zip(jobs, times, strict=True) if job.owner == owner]
        lines += ["", owner, *lines_of(mine)]
    return "\n".join(lines)


def lines_of(jobs: list[tuple[Job, float | None]]) -> list[str]:
    """One line for each rule and reason among an owner's jobs."""
    numbers = Counter((job.rule, explain(job.reason)) for job, _ in jobs)
    lines = []
    for (rule, reason), number in numbers.items():
        known = [
            time
            for job, time in jobs
            if time is not None and (job.rule, explain(job.reason)) == (rule, reason)
        ]
        cost = f", {duration(sum(known))}" if known else ""
        lines.append(f"    {rule}: {counted(number)}{cost}: {reason}")
    return lines


def explain(reason: str) -> str:
    """Snakemake's reason in words: its causes, or else that something before it is made anew."""
    given = re.split(r"; (?=[A-Z])", reason)
    for beginning, words in REASONS.items():
        for one in given:
            if one.startswith(beginning):
                return words or explained_change(one)
    return reason


def explained_change(reason: str) -> str:
    """What changed among a job's `params`: its code, or the settings before and now."""
    change = re.search(r"before: (.*) now: (.*)", reason)
    if not change:
        return "its settings changed"
    before, now = (text.strip() for text in change.groups())
    prints = [re.search(r"'fingerprint': '(\w+)'", text) for text in (before, now)]
    if all(prints):
        same = prints[0][1] == prints[1][1]
        return "the packages that it uses changed" if same else "its code changed"
    try:
        places = differences(ast.literal_eval(before), ast.literal_eval(now))
    except (ValueError, SyntaxError):
        return f"its settings changed from {shortened(before)} to {shortened(now)}"
    more = f", and {len(places) - 3} more" if len(places) > 3 else ""
    return ", ".join(places[:3]) + more


def differences(before: Any, now: Any, place: str = "its settings") -> list[str]:
    """Places at which settings changed, each with what stood there and what stands there now."""
    if isinstance(before, dict) and isinstance(now, dict):
        inside = "its " if place == "its settings" else f"{place}."
        return [
            text
            for key in sorted(before.keys() | now.keys(), key=str)
            if before.get(key, ABSENT) != now.get(key, ABSENT)
            for text in differences(before.get(key, ABSENT), now.get(key, ABSENT), f"{inside}{key}")
        ]
    old, new = (one if one is ABSENT else repr(one) for one in (before, now))
    return [f"{place} changed from {shortened(old)} to {shortened(new)}"]


def shortened(text: str) -> str:
    """A text of at most a line's length."""
    return text if len(text) <= 80 else f"{text[:77]}..."


def seconds_of(job: Job) -> float | None:
    """Time that a job took when it last ran, else the median of its rule's; None without any."""
    log = Path(job.log)
    if not job.log:
        return None
    own = took(log)
    if own is not None:
        return own
    return usual_seconds(log.parent) if log.parent.name == job.rule else None


@cache
def usual_seconds(folder: Path) -> float | None:
    """Median time of the jobs whose logs lie in a folder; by convention those of one rule."""
    known = [time for log in folder.glob("*.log") if (time := took(log)) is not None]
    return median(known) if known else None


def took(log: Path) -> float | None:
    """Seconds that a job took with its start, by its log; None where that was not ended."""
    if not log.is_file():
        return None
    said = log.read_text(encoding="utf-8")
    found = re.search(r"^took ([\d.]+) s and ([\d.]+) s to start", said, re.MULTILINE)
    return sum(map(float, found.groups())) if found else None


def duration(seconds: float) -> str:
    """A time in words, as ``90 s``, ``12 min`` or ``3.5 h``."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def counted(number: int) -> str:
    """A number of jobs."""
    return f"{number} job" + "s" * (number != 1)


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except BrokenPipeError:
        # As of `make plan | head`: what is left is not wanted, nor is Python's last flush.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
