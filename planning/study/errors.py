"""Mistakes in a study, each told in one line."""

from typing import Any


class StudyError(Exception):
    """A mistake in a study; its message is one line that names the key and what is allowed."""


def hint_on_number(value: Any, wanted: str) -> str:
    """Advice on a text that looks like a number: YAML reads 1e-3, without a point, as text."""
    numbers = {"int": int, "integer": int, "float": float, "number": float}
    convert = numbers.get(wanted.split()[0])
    if convert is None or not isinstance(value, str):
        return ""
    try:
        return f"; write {convert(value)}, without quotes"
    except ValueError:
        return ""


def dotted(path: Any) -> str:
    """Place in a study, as `models.alexnet.training`; `the study` for its top."""
    return ".".join(str(step) for step in path) or "the study"
