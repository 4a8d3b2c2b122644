"""A few images through every transform, for the figure of example stimuli."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from shapebias.io.image_sets import read_columns, read_rows
from shapebias.stimuli.derive import rows_of

Row = tuple[str, list[np.ndarray | None]]


def example_rows(
    sets: Sequence[tuple[str, str | Path, dict[str, Any] | None]],
    adversarial: Sequence[tuple[str, str | Path]],
    *,
    n: int,
    seed: int,
) -> list[Row]:
    """A few images of the first set, of several classes, in each other set that has them.

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
    image out. A set of other images shows some of its own.
    """
    wanted = spread_ids(sets[0][1], n)
    shown = []
    for name, path, transform in sets:
        own = set(read_columns(path, ["image_id"])["image_id"])
        ids = wanted if own & set(wanted) else spread_ids(path, n)
        rows = rows_of([path], transform=transform, seed=seed, image_set=name, only=set(ids))
        shown.append((name, _in_order(rows, ids)))
    return shown + [(name, _examples(path, wanted)) for name, path in adversarial]


def spread_ids(path: str | Path, n: int) -> list[str]:
    """Ids of `n` images of one part, of as many classes as there are, far apart in their order."""
    frame = read_columns(path, ["image_id", "label", "shape"])
    labels = frame["label"].fillna(frame["shape"])
    nth = labels.groupby(labels, dropna=False).cumcount()
    firsts = frame["image_id"][nth == 0]
    if len(firsts) >= n:
        return [firsts.iloc[index * len(firsts) // n] for index in range(n)]
    return frame["image_id"].iloc[nth.argsort(kind="stable")[:n]].tolist()


def _examples(path: str | Path, ids: Sequence[str]) -> list[np.ndarray | None]:
    rows = list(read_rows([path]))
    own = [row["image_id"] for row in rows]
    return _in_order(rows, ids if set(ids) & set(own) else own)


def _in_order(rows: Iterable[dict[str, Any]], ids: Sequence[str]) -> list[np.ndarray | None]:
    pixels = {row["image_id"]: row["pixels"] for row in rows}
    return [pixels.get(image_id) for image_id in ids]
