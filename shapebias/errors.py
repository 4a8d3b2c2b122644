"""Errors whose message is one line that says what is wrong, where, and what to do."""

import difflib
from collections.abc import Iterable

# So many names are too many to list; so few are listed then.
MANY, FEW = 200, 10


class ShapebiasError(Exception):
    """A mistake in what the library was given; its message is meant for the person at the desk."""


class UnsupportedInputSize(ShapebiasError):
    """A network that does not run on an image of its size, or cannot be built for it."""


class UnknownName(ShapebiasError):
    """A name that is none of those known, with the nearest known one.

    Parameters
    ----------
    what
        Kind of thing that was named, in words: "layer of alexnet".
    name
        The name that was given.
    known
        Names that would have been right.
    """

    def __init__(self, what: str, name: object, known: Iterable[object]):
        known = [str(one) for one in known]
        super().__init__(f"unknown {what}: {name!r}{suggestion(str(name), known)}")


class UnknownLayer(UnknownName):
    """A layer that a network does not have."""


def suggestion(name: str, known: Iterable[str]) -> str:
    """Second half of a message about an unknown name: the nearest one, and all or the nearest."""
    known = sorted(known)
    folded = {one.casefold(): one for one in known}
    close = difflib.get_close_matches(name.casefold(), folded, n=FEW, cutoff=0.5)
    nearest = [folded[one] for one in close]
    guess = f"; did you mean {nearest[0]!r}?" if nearest else ""
    if len(known) > MANY:
        return f"{guess} ({len(known)} are known, such as {', '.join(nearest or known[:FEW])})"
    return f"{guess} (known: {', '.join(known) or 'none'})"


def first_line(error: Exception) -> str:
    """Beginning of an error's message."""
    return (str(error).splitlines() or [type(error).__name__])[0][:150]
