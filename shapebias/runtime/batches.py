"""Rows of images as batches of tensors."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import torch
from jaxtyping import Float
from torch import Tensor

from shapebias.io.image_sets import number_of_rows, read_rows, stack
from shapebias.progress import progress
from shapebias.runtime.batch_size import with_fitting_batch_size

# Pixels at a time: 20 images of 224×224, whose activations still fit a processor's caches.
PIXELS = 2**20
MOST = 128
# Image ids, pixels in [0, 1], and labels (None for an unlabelled image).
Batch = tuple[Sequence[str], Float[Tensor, "_ 3 _ _"], Sequence[str | None]]
Rows = Iterable[dict[str, Any]]
T = TypeVar("T")


def run_in_batches(
    work: Callable[[Iterator[Batch]], T],
    paths: Sequence[str | Path],
    rows: Callable[[], Rows],
    *,
    what: str,
) -> T:
    """What `work` makes of an image set's batches, which shrink where memory does not suffice.

    Parameters
    ----------
    work
        Called with the batches of all rows; its result must not depend on their size.
    paths
        Parts of the image set, or of the one that it is made from.
    rows
        Gives the rows anew each time that it is called.
    what
        The step in words, for the log.
    """
    total = number_of_rows(paths)

    def attempt(size: int) -> T:
        return work(batches(progress(rows(), what=what, total=total), size=size))

    return with_fitting_batch_size(attempt, size_of(paths), what=what)


def batches(rows: Rows, *, size: int) -> Iterator[Batch]:
    """Image ids, pixels in [0, 1] of shape (image, 3, row, column), and labels, batch by batch.

    Parameters
    ----------
    rows
        Rows of an image set, all of one size.
    size
        Images a batch.
    """
    rows = iter(rows)
    while group := list(islice(rows, size)):
        labels = [row.get("label") for row in group]
        yield [row["image_id"] for row in group], pixels_of(group), labels


def pixels_of(rows: Iterable[Mapping[str, Any]]) -> Float[Tensor, "image 3 row column"]:
    """Images of an image or concept set's rows, in [0, 1]."""
    return torch.from_numpy(stack(rows)).contiguous().float().div_(255)


def size_of(paths: Sequence[str | Path]) -> int:
    """Images of a set, given by its parts, that are best taken at a time."""
    first = next(read_rows(paths), None)
    return MOST if first is None else batch_size_for(first["pixels"].shape[:2])


def batch_size_for(shape: tuple[int, int]) -> int:
    """Images of a shape (row, column) that are best taken at a time."""
    return max(1, min(MOST, PIXELS // (shape[0] * shape[1])))
