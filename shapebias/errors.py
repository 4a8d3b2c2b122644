"""Errors whose message is one line that says what is wrong, where, and what to do."""

import difflib
from collections.abc import Iterable

# Above MAX_LISTED known names a message shows only MAX_NEAREST of them.
MAX_LISTED, MAX_NEAREST = 200, 10


class ShapebiasError(Exception):
    """Invalid input to the library; the message is written for the user, not the developer."""


class UnsupportedInputSize(ShapebiasError):
    """A network cannot be built for, or does not run on, images of the requested size."""


class UnknownName(ShapebiasError):
    """A name is not one of the known names; the message suggests the nearest one.

    Parameters
    ----------
    what
        Kind of thing that the name should refer to, in words: "layer of alexnet".
    name
        The unknown name.
    known
        Names that are allowed.

    Examples
    --------
    >>> str(UnknownName("layer", "conv6", ["conv1", "conv5"]))
    "unknown layer: 'conv6'; did you mean 'conv5'? (known: conv1, conv5)"
    """

    def __init__(self, what: str, name: object, known: Iterable[object]):
        super().__init__(f"unknown {what}: {name!r}{suggestion(str(name), map(str, known))}")


class UnknownLayer(UnknownName):
    """A network does not have the requested layer."""


def suggestion(name: str, known: Iterable[str]) -> str:
    """Suggest the nearest known name, and list the known names or, of many, the nearest."""
    known = sorted(known)
    by_folded_name = {candidate.casefold(): candidate for candidate in known}
    matches = difflib.get_close_matches(name.casefold(), by_folded_name, n=MAX_NEAREST, cutoff=0.5)
    nearest = [by_folded_name[match] for match in matches]
    guess = f"; did you mean {nearest[0]!r}?" if nearest else ""
    if len(known) > MAX_LISTED:
        examples = ", ".join(nearest or known[:MAX_NEAREST])
        return f"{guess} ({len(known)} are known, such as {examples})"
    return f"{guess} (known: {', '.join(known) or 'none'})"


def first_line(error: Exception) -> str:
    """Return the first line of an error's message, cut at 150 characters."""
    return (str(error).splitlines() or [type(error).__name__])[0][:150]
