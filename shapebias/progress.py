"""Progress of long steps: a bar in a terminal, plain lines in a log."""

import sys
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

from tqdm import tqdm

T = TypeVar("T")
SECONDS_A_LINE = 15.0

# Images gone through in each step, by the step's words: one that begins again counts anew.
_seen: dict[str, int] = {}


def images_seen() -> int | None:
    """Images that this process went through, in all its steps together; None without such steps."""
    return sum(_seen.values()) if _seen else None


def count_images(what: str, number: int) -> None:
    """Note that so many images were gone through in a step."""
    _seen[what] = number


def progress(
    items: Iterable[T], *, what: str, total: int | None = None, images: bool = True
) -> Iterator[T]:
    """Pass items on while showing how many are done, the rate and the time left.

    Parameters
    ----------
    items
        What to go through.
    what
        The step in words; it heads the bar and each line.
    total
        Number of items, where `items` has no length.
    images
        Whether the items are images, which count for the job's images a second.

    Notes
    -----
    In a terminal a bar is drawn on standard error. Standard output, which a job writes to its
    log, gets a plain line every fifteen seconds and one at the end.
    """
    if total is None and hasattr(items, "__len__"):
        total = len(items)
    bar = tqdm(items, desc=what, total=total, disable=not sys.stderr.isatty(), leave=False)
    start = last = time.monotonic()
    done = 0
    if images:
        count_images(what, done)
    for item in bar:
        yield item
        done += 1
        if images:
            count_images(what, done)
        now = time.monotonic()
        if now - last > SECONDS_A_LINE:
            print(_line(what, done, total, now - start), flush=True)
            last = now
    print(_line(what, done, done, time.monotonic() - start), flush=True)


class ProgressCounter:
    """The same for work that says itself how many images are done.

    Parameters
    ----------
    what
        The step in words.
    total
        Number of images.
    """

    def __init__(self, what: str, total: int):
        self._what, self._total, self._done = what, total, 0
        self._bar = tqdm(desc=what, total=total, disable=not sys.stderr.isatty(), leave=False)
        self._start = self._last = time.monotonic()

    def __call__(self, done: int) -> None:
        """Count images that were done."""
        self._done += done
        count_images(self._what, self._done)
        self._bar.update(done)
        now = time.monotonic()
        if now - self._last > SECONDS_A_LINE or self._done == self._total:
            line = _line(self._what, self._done, self._total, now - self._start)
            print(line, flush=True)
            self._last = now


def _line(what: str, done: int, total: int | None, seconds: float) -> str:
    rate = done / max(seconds, 1e-9)
    left = f", {(total - done) / max(rate, 1e-9):.0f} s left" if total and total > done else ""
    return f"{what}: {done} of {total or '?'} in {seconds:.1f} s, {rate:.1f}/s{left}"
