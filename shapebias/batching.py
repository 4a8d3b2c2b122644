"""Rows of images as batches of tensors."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

import torch
from torch import Tensor

from shapebias.imagesets import stack

BATCH = 128


def batches(
    rows: Iterable[dict[str, Any]], *, size: int = BATCH
) -> Iterator[tuple[list[str], Tensor, list[str | None]]]:
    """Image ids, pixels in [0, 1] of shape (image, 3, row, column), and labels, batch by batch."""
    rows = iter(rows)
    while group := list(islice(rows, size)):
        pixels = torch.from_numpy(stack(group)).contiguous().float().div_(255)
        yield [row["image_id"] for row in group], pixels, [row.get("label") for row in group]


def device() -> torch.device:
    """The graphics card where there is one, else the processor."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")
