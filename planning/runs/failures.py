"""Summary of the jobs that failed in a run, each with the last lines of its log."""

import re
from collections.abc import Iterable
from pathlib import Path

# Lines shown of each job's log.
N_LINES = 6


def failure_summary(snakemake_logs: Iterable[str | Path]) -> str:
    """Return the jobs that failed and were not completed by a later attempt.

    Parameters
    ----------
    snakemake_logs
        Log files of Snakemake.

    Returns
    -------
    Rule, log files and the last lines of the logs of each failed job; empty without any.
    """
    jobs = [job for path in snakemake_logs for job in failed_jobs(_text(path))]
    if not jobs:
        return ""
    lines = [f"\n{len(jobs)} job{'s' * (len(jobs) != 1)} failed:"]
    for rule, logs in jobs:
        lines.append(f"\n{rule}, see {' '.join(logs) or 'above'}")
        lines += [f"    {line}" for log in logs for line in _text(log).splitlines()[-N_LINES:]]
    return "\n".join(lines)


def failed_jobs(text: str) -> list[tuple[str, list[str]]]:
    """Return rule and log files of each job that failed and was not completed later.

    Parameters
    ----------
    text
        Log of Snakemake.
    """
    jobs: dict[str, tuple[str, list[str]]] = {}
    rule = job = ""
    for line in text.splitlines():
        if error := re.match(r"Error in (?:rule|group) (\S+?):?$", line):
            rule, job = error[1], ""
        elif success := re.match(r"Finished jobid: (\d+)", line):
            jobs.pop(success[1], None)
        elif not line.startswith(" "):
            rule = rule if line.startswith("[") else ""
        elif rule and (number := re.match(r"\s+jobid: (\S+)", line)):
            job = number[1]
            jobs[job] = (rule, [])
        elif job in jobs and rule and (log := re.match(r"\s+log: (.+?)(?: \(check .*)?$", line)):
            jobs[job][1].extend(log[1].split(", "))
    return list(jobs.values())


def _text(path: str | Path) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        return f"(cannot be read: {error.strerror})"
