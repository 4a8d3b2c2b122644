"""Describe which settings or code of a job changed, from Snakemake's reason for running it."""

import ast
import re
from typing import Any

ABSENT = "nothing"
# A job's code among its `params`, as `planning.jobs.code_of` writes it.
CODE = r"\{[^{}]*'fingerprint'(?:[^{}]|\{[^{}]*\})*\}"
CODE_PARTS = {
    "fingerprint": "its code changed",
    "own_code": "your module's code changed",
}
# Characters of a setting's value, and number of changed settings, that are shown at most.
MAX_CHARACTERS, MAX_CHANGES = 80, 3


def describe_change(reason: str) -> str:
    """Return which of a job's `params` changed: its code, or settings with both values."""
    change = re.search(r"before: (.*) now: (.*)", reason)
    if not change:
        return "its settings changed"
    before, now = (text.strip() for text in change.groups())
    before_code, now_code = (_code_of(text) for text in (before, now))
    changes = _code_changes(before_code, now_code)
    # A job's code and other settings are separated by commas.
    before, now = (re.sub(CODE, "", text).strip(", ") for text in (before, now))
    if changes and not before and not now:
        return _first(changes)
    try:
        changes += _differences(ast.literal_eval(before), ast.literal_eval(now))
    except (ValueError, SyntaxError):
        old, new = (_shorten(text) or ABSENT for text in (before, now))
        changes.append(f"its settings changed from {old} to {new}")
    return _first(changes)


def _code_of(text: str) -> dict[str, Any]:
    """Return what `planning.jobs.code_of` gives among a job's `params`; empty if it is absent."""
    code = re.search(CODE, text)
    return ast.literal_eval(code[0]) if code else {}


def _code_changes(before: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """Return which parts of a job's code changed."""
    changed = {key for key in before.keys() | now.keys() if before.get(key) != now.get(key)}
    changes = [words for key, words in CODE_PARTS.items() if key in changed]
    for key in ("seed", "study"):
        if key in changed:
            changes += _differences(before.get(key, ABSENT), now.get(key, ABSENT), f"its {key}")
    if "packages" in changed:
        packages = before.get("packages", {}), now.get("packages", {})
        versions = _differences(*packages, "packages")
        names = [text.removeprefix("packages.").replace(" changed", "") for text in versions]
        changes.append(f"the packages that it uses changed ({_first(names)})")
    return changes


def _first(changes: list[str]) -> str:
    """Return the first changes, and how many there are besides."""
    n_more = len(changes) - MAX_CHANGES
    more = [f"and {n_more} more"] if n_more > 0 else []
    return ", ".join(changes[:MAX_CHANGES] + more)


def _differences(before: Any, now: Any, place: str = "its settings") -> list[str]:
    """Return the settings that changed, each with its value before and now."""
    if isinstance(before, dict) and isinstance(now, dict):
        parent = "its " if place == "its settings" else f"{place}."
        pairs = {
            key: (before.get(key, ABSENT), now.get(key, ABSENT))
            for key in sorted(before.keys() | now.keys(), key=str)
        }
        return [
            text
            for key, (old, new) in pairs.items()
            if old != new
            for text in _differences(old, new, f"{parent}{key}")
        ]
    old, new = (value if value is ABSENT else repr(value) for value in (before, now))
    return [f"{place} changed from {_shorten(old)} to {_shorten(new)}"]


def _shorten(text: str) -> str:
    return text if len(text) <= MAX_CHARACTERS else f"{text[: MAX_CHARACTERS - 3]}..."
