"""Progress of long steps: a bar in a terminal, plain lines in a log."""

import sys
import time
from collections.abc import Iterable, Iterator, Sized
from typing import TypeVar

from tqdm import tqdm

T = TypeVar("T")
SECONDS_PER_LINE = 15.0

# Images processed by each step, by the step's name: a step that restarts counts from 0.
_images_by_step: dict[str, int] = {}


def images_seen() -> int | None:
    """Count the images that all steps of this process went through; None without such steps."""
    return sum(_images_by_step.values()) if _images_by_step else None


def count_images(what: str, number: int) -> None:
    """Record that a step has gone through `number` images."""
    _images_by_step[what] = number


def progress(
    items: Iterable[T], *, what: str, total: int | None = None, images: bool = True
) -> Iterator[T]:
    """Yield items unchanged while showing their number, the rate and the time left.

    Parameters
    ----------
    items
        Items to go through.
    what
        Name of the step; it heads the bar and each line.
    total
        Number of items, where `items` has no length.
    images
        Whether the items are images, which count for the job's images per second.

    Notes
    -----
    In a terminal a bar is drawn on standard error. Standard output, which a job writes to its
    log, gets a plain line every fifteen seconds and one at the end.
    """
    if total is None and isinstance(items, Sized):
        total = len(items)
    counter = ProgressCounter(what, total, images=images)
    for item in items:
        yield item
        counter(1)
    counter.close()


class ProgressCounter:
    """Progress of a step that counts its images while it runs.

    Parameters
    ----------
    what
        Name of the step.
    total
        Number of images; None where it is unknown. The last line is printed when it is reached.
    images
        As for `progress`.
    """

    def __init__(self, what: str, total: int | None, *, images: bool = True):
        self._what, self._total, self._images, self._done = what, total, images, 0
        self._bar = tqdm(desc=what, total=total, disable=not sys.stderr.isatty(), leave=False)
        self._start = self._last_line = time.monotonic()
        self._closed = False
        if images:
            count_images(what, 0)

    def __call__(self, number: int) -> None:
        """Add `number` items to those that are done."""
        self._done += number
        self._bar.update(number)
        if self._images:
            count_images(self._what, self._done)
        if self._done == self._total:
            self.close()
        elif time.monotonic() - self._last_line > SECONDS_PER_LINE:
            self._last_line = time.monotonic()
            self._print_line(self._total)

    def close(self) -> None:
        """Remove the bar and print the last line, once."""
        if not self._closed:
            self._closed = True
            self._bar.close()
            self._print_line(self._done)

    def _print_line(self, total: int | None) -> None:
        seconds = time.monotonic() - self._start
        rate = self._done / max(seconds, 1e-9)
        line = f"{self._what}: {self._done} of {total or '?'} in {seconds:.1f} s, {rate:.1f}/s"
        if total and total > self._done:
            line += f", {(total - self._done) / max(rate, 1e-9):.0f} s left"
        print(line, flush=True)
