"""Rows of image sets as batches of tensors."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import torch
from jaxtyping import Float
from torch import Tensor

from shapebias.io.image_sets import ImageSet, stack
from shapebias.progress import progress
from shapebias.runtime.batch_size import with_fitting_batch_size

# Pixels per batch: those of 20 images of 224×224, whose activations fit a processor's caches.
MAX_PIXELS = 2**20
MAX_IMAGES = 128
# Image ids, pixels in [0, 1], and labels (None for an unlabelled image). The number of images is
# not named in the shape, as it differs from batch to batch.
Batch = tuple[Sequence[str], Float[Tensor, "_ 3 _ _"], Sequence[str | None]]
Rows = Iterable[Mapping[str, Any]]
T = TypeVar("T")


def run_in_batches(
    work: Callable[[Iterator[Batch]], T],
    paths: Sequence[str | Path],
    rows: Callable[[], Rows],
    *,
    what: str,
) -> T:
    """Call `work` with an image set's batches, which become smaller when memory runs out.

    Parameters
    ----------
    work
        Called with the batches of all rows; its result must not depend on the batch size.
    paths
        Parts of the image set, or of the set that it is derived from.
    rows
        Called at each attempt; returns the rows of the image set.
    what
        Name of the step, for the log.
    """
    images = ImageSet(paths)
    first = next(images.rows(), None)
    size = MAX_IMAGES if first is None else batch_size_for(first["pixels"].shape[:2])

    def attempt(size: int) -> T:
        return work(batches(progress(rows(), what=what, total=len(images)), size=size))

    return with_fitting_batch_size(attempt, size, what=what)


def batches(rows: Rows, *, size: int) -> Iterator[Batch]:
    """Yield image ids, pixels in [0, 1] of shape (image, 3, row, column), and labels by batch.

    Parameters
    ----------
    rows
        Rows of an image set; all images have the same size.
    size
        Images per batch.
    """
    rows = iter(rows)
    while group := list(islice(rows, size)):
        labels = [row.get("label") for row in group]
        yield [row["image_id"] for row in group], pixels_of(group), labels


def pixels_of(rows: Rows) -> Float[Tensor, "image 3 row column"]:
    """Stack the images of an image or concept set's rows into one tensor, in [0, 1]."""
    return torch.from_numpy(stack(rows)).contiguous().float().div_(255)


def batch_size_for(shape: tuple[int, int]) -> int:
    """Return the batch size that is usually fastest for images of a shape (row, column).

    Examples
    --------
    >>> batch_size_for((224, 224)), batch_size_for((32, 32))
    (20, 128)
    """
    return max(1, min(MAX_IMAGES, MAX_PIXELS // (shape[0] * shape[1])))
