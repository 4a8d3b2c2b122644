"""A few images through every transform, for the figure of example stimuli."""

from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from shapebias.deriving import rows_of
from shapebias.imagesets import read_rows

Row = tuple[str, list[np.ndarray | None]]


def example_rows(
    sets: Sequence[tuple[str, str | Path, dict[str, Any] | None]],
    adversarial: Sequence[tuple[str, str | Path]],
    *,
    n: int,
    seed: int,
) -> list[Row]:
    """The first images of the first set in each other set that has them.

    Parameters
    ----------
    sets
        Name, first part, and transform where the images are made while predicting.
    adversarial
        Heading and file of adversarial examples.
    n
        Images a set.
    seed
        The study's seed.

    Returns
    -------
    Heading and images, uint8 of shape (row, column, 3), of each set; None where a set left the
    image out. A set of other images shows its own first ones.
    """
    _, first, _ = sets[0]
    ids = [row["image_id"] for row in islice(read_rows([first]), n)]
    rows = [
        (name, _first(rows_of([path], transform=transform, seed=seed, image_set=name), n, ids))
        for name, path, transform in sets
    ]
    return rows + [(name, _first(read_rows([path]), n, ids)) for name, path in adversarial]


def _first(rows: Any, n: int, ids: list[str]) -> list[np.ndarray | None]:
    head = {row["image_id"]: row["pixels"] for row in islice(rows, n)}
    if not head.keys() & set(ids):
        return list(head.values())
    return [head.get(image_id) for image_id in ids]
