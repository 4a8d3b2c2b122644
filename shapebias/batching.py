"""Rows of images as batches of tensors."""

from collections.abc import Iterable, Iterator
from itertools import chain, islice
from typing import Any

import torch
from torch import Tensor

from shapebias.imagesets import stack

# Pixels at a time: 20 images of 224×224, whose activations still fit a processor's caches.
PIXELS = 2**20
MOST = 128


def batches(
    rows: Iterable[dict[str, Any]], *, size: int | None = None
) -> Iterator[tuple[list[str], Tensor, list[str | None]]]:
    """Image ids, pixels in [0, 1] of shape (image, 3, row, column), and labels, batch by batch.

    Parameters
    ----------
    rows
        Rows of an image set, all of one size.
    size
        Images a batch; None has it follow from the size of the first image.
    """
    rows = iter(rows)
    first = list(islice(rows, 1))
    if first and size is None:
        size = size_for(first[0]["pixels"].shape[:2])
    rows = chain(first, rows)
    while group := list(islice(rows, size)):
        pixels = torch.from_numpy(stack(group)).contiguous().float().div_(255)
        yield [row["image_id"] for row in group], pixels, [row.get("label") for row in group]


def size_for(shape: tuple[int, int]) -> int:
    """Images of a shape (row, column) that are best taken at a time."""
    return max(1, min(MOST, PIXELS // (shape[0] * shape[1])))


def device() -> torch.device:
    """The graphics card where there is one, else the processor."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")
