"""Errors in a study, one line each."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from shapebias.errors import ShapebiasError

# Names of the number types in schemas and annotations.
NUMBERS = {"int": int, "integer": int, "float": float, "number": float}
TEXTS = ("str", "string", "FilePath")


class StudyError(Exception):
    """Error in a study; its message is one line that names the key and what is allowed."""


@contextmanager
def at_key(where: str) -> Iterator[None]:
    """Raise errors of the library as `StudyError` at a key of the study."""
    try:
        yield
    except ShapebiasError as error:
        raise StudyError(f"{where}: {error}") from None


def wrong_type(value: Any, allowed: str) -> str:
    """Describe a value of the wrong type, with advice on how YAML reads numbers and text.

    Examples
    --------
    >>> wrong_type("1e-3", "number")
    "'1e-3' is not of type number; write 0.001, without quotes"
    >>> wrong_type(True, "string")
    'True is not of type string; YAML does not read it as text: write it in quotes'
    """
    shown = repr(value) if isinstance(value, str) else str(value)
    return f"{shown} is not of type {allowed}{_advice(value, allowed.split()[0])}"


def _advice(value: Any, allowed: str) -> str:
    if isinstance(value, str) and allowed in NUMBERS:
        try:
            return f"; write {NUMBERS[allowed](value)}, without quotes"
        except ValueError:
            return ""
    if allowed in TEXTS and value is not None and not isinstance(value, str | list | dict):
        return "; YAML does not read it as text: write it in quotes"
    return ""


def dotted(path: Iterable[Any]) -> str:
    """Join the keys to a place in a study, as in `models.alexnet.training`.

    Examples
    --------
    >>> dotted(["models", "alexnet"]), dotted([])
    ('models.alexnet', 'the study')
    """
    return ".".join(str(step) for step in path) or "the study"
