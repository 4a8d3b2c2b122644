"""What failed in a run, told at its end: each job with the last lines of its log."""

import re
from collections.abc import Iterable
from pathlib import Path

LINES = 6


def failure_summary(engine_logs: Iterable[str | Path]) -> str:
    """Jobs that failed and did not succeed later, by the workflow engine's own logs."""
    found = [failure for path in engine_logs for failure in failures(_text(path))]
    if not found:
        return ""
    head = f"\n{len(found)} job{'s' * (len(found) != 1)} failed:"
    return "\n".join([head, *(block(*one) for one in found)])


def failures(text: str) -> list[tuple[str, list[str]]]:
    """Rule and logs of each job that failed and was not finished by a later attempt."""
    found: dict[str, tuple[str, list[str]]] = {}
    rule = job = ""
    for line in text.splitlines():
        if begun := re.match(r"Error in (?:rule|group) (\S+?):?$", line):
            rule, job = begun[1], ""
        elif done := re.match(r"Finished jobid: (\d+)", line):
            found.pop(done[1], None)
        elif not line.startswith(" "):
            rule = rule if line.startswith("[") else ""
        elif rule and (number := re.match(r"\s+jobid: (\S+)", line)):
            job = number[1]
            found[job] = (rule, [])
        elif job in found and rule and (log := re.match(r"\s+log: (.+?)(?: \(check .*)?$", line)):
            found[job][1].extend(log[1].split(", "))
    return list(found.values())


def block(rule: str, logs: list[str]) -> str:
    """A failed job with the last lines of its logs."""
    lines = [f"\n{rule}, see {' '.join(logs) or 'above'}"]
    for log in logs:
        lines += [f"    {line}" for line in _text(log).splitlines()[-LINES:]]
    return "\n".join(lines)


def _text(path: str | Path) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        return f"(cannot be read: {error.strerror})"
