"""Select example images of every image set, for the figure of example stimuli."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8

from shapebias.io.image_sets import read_columns, read_rows
from shapebias.stimuli.derive import rows_of

Pixels = UInt8[np.ndarray, "_ _ 3"]
Row = tuple[str, list[Pixels | None]]


def example_rows(
    sets: Sequence[tuple[str, str | Path, dict[str, Any] | None]],
    adversarial: Sequence[tuple[str, str | Path]],
    *,
    n: int,
    seed: int,
) -> list[Row]:
    """Select images of several classes from the first set and find them in every other set.

    Parameters
    ----------
    sets
        Name, first part, and transform if the images are derived on the fly.
    adversarial
        Heading and file of adversarial examples.
    n
        Images per set.
    seed
        Seed of the study.

    Returns
    -------
    Heading and images of each set; None for an image that a set rejected. For a set without any of
    the images, a selection of its own.
    """
    first_ids = spread_ids(sets[0][1], n)
    examples = []
    for name, path, transform in sets:
        set_ids = set(read_columns(path, ["image_id"])["image_id"])
        ids = first_ids if set_ids & set(first_ids) else spread_ids(path, n)
        rows = rows_of([path], transform=transform, seed=seed, image_set=name, only=set(ids))
        examples.append((name, _in_order(rows, ids)))
    for name, path in adversarial:
        rows = list(read_rows([path]))
        set_ids = [row["image_id"] for row in rows]
        ids = first_ids if set(first_ids) & set(set_ids) else set_ids
        examples.append((name, _in_order(rows, ids)))
    return examples


def spread_ids(path: str | Path, n: int) -> list[str]:
    """Select the ids of `n` images of one part, from distinct classes spread over their order.

    If there are fewer than `n` classes, each contributes several images.
    """
    frame = read_columns(path, ["image_id", "label", "shape"])
    labels = frame["label"].fillna(frame["shape"])
    nth = labels.groupby(labels, dropna=False).cumcount()
    firsts = frame["image_id"][nth == 0]
    if len(firsts) >= n:
        return [firsts.iloc[index * len(firsts) // n] for index in range(n)]
    return frame["image_id"].iloc[nth.argsort(kind="stable")[:n]].tolist()


def _in_order(rows: Iterable[dict[str, Any]], ids: Sequence[str]) -> list[Pixels | None]:
    """Return the pixels of each id, None if no row has it."""
    pixels = {row["image_id"]: row["pixels"] for row in rows}
    return [pixels.get(image_id) for image_id in ids]
