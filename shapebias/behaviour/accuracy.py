"""Accuracy on image sets, and the images that both networks of a pair label correctly."""

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
import pandas as pd

from shapebias.behaviour.shape_bias import Scored, check_same_images, ratio
from shapebias.errors import ShapebiasError
from shapebias.intervals import wilson


def accuracy(
    predictions: pd.DataFrame,
    selection: set | None,
    *,
    entry_level: Mapping[str, str] | None = None,
) -> dict:
    """Top-1 and top-5 accuracy over the labelled images of a selection.

    Parameters
    ----------
    predictions
        As `shapebias.predictions.predict` gives them.
    selection
        Image ids that count, whether or not each was predicted; None for all.
    entry_level
        Where it is given, a class is right if it lies under the entry-level class of the label
        (as for silhouettes); the label may be a fine class or an entry-level one.

    Returns
    -------
    n, the number of labelled images that count; top1 and top5; top1_low and top1_high, the 95 %
    Wilson interval. Proportions are NaN where n is 0.
    """
    counted = predictions[predictions["label"].notna()]
    if selection is not None:
        counted = counted[counted["image_id"].isin(selection)]
    right = np.array(_hits(counted, entry_level or {}), dtype=bool).reshape(-1, 2)
    n, (top1, top5) = len(right), right.sum(axis=0).tolist()
    low, high = wilson(top1, n)
    return {
        "n": n,
        "top1": ratio(top1, n),
        "top5": ratio(top5, n),
        "top1_low": low,
        "top1_high": high,
    }


def _hits(predictions: pd.DataFrame, entry_level: Mapping[str, str]) -> list[tuple[bool, bool]]:
    hits = []
    for label, names in zip(predictions["label"], predictions["top5"], strict=True):
        right = entry_level.get(label, label)
        guesses = [entry_level.get(name, name) for name in names]
        hits.append((guesses[0] == right, right in guesses))
    return hits


def correctly_labelled(predictions_s: pd.DataFrame, predictions_r: pd.DataFrame) -> list[str]:
    """Ids of the images whose top-1 class is right for both networks of a pair, in their order.

    Raises
    ------
    ShapebiasError
        If the two frames are not of the same images.
    """
    check_same_images(predictions_s["image_id"], predictions_r["image_id"])
    right_r = set(_right_ids(predictions_r))
    return [image_id for image_id in _right_ids(predictions_s) if image_id in right_r]


def _right_ids(predictions: pd.DataFrame) -> list[str]:
    rows = zip(predictions["image_id"], predictions["label"], predictions["top5"], strict=True)
    return [image_id for image_id, label, names in rows if label == names[0]]


def accuracy_table(
    scored: Scored,
    selections: Mapping[str, set[str]],
    pairs: Mapping[str, Mapping[str, str]],
    *,
    entry_level: Mapping[str, str] | None = None,
    entry_level_sets: Collection[str] = (),
) -> pd.DataFrame:
    """Accuracy over all images, and over the images that a network's pair labels correctly.

    Parameters
    ----------
    scored
        Pairs of (model, image_set) and its predictions.
    selections
        Image ids by pair.
    pairs
        Pair to its `standard` and `robust` network.
    entry_level
        Entry-level class of each fine class.
    entry_level_sets
        Image sets that are scored by entry-level class.
    """
    rows: list[dict[str, Any]] = []
    for (model, image_set), predictions in scored:
        chosen = {"all": None} | {
            name: selections[name] for name, pair in pairs.items() if model in pair.values()
        }
        levels = entry_level if image_set in entry_level_sets else None
        _check_level(predictions["label"], image_set, entry_level or {}, levels)
        rows += [
            {"model": model, "image_set": image_set, "selection": name}
            | accuracy(predictions, selection, entry_level=levels)
            for name, selection in chosen.items()
        ]
    return pd.DataFrame(rows)


def _check_level(
    labels: pd.Series,
    image_set: str,
    entry_level: Mapping[str, str],
    levels: Mapping[str, str] | None,
) -> None:
    """Raise `ShapebiasError` where labels are entry-level classes but scored as fine ones."""
    coarse = set(entry_level.values()) - entry_level.keys()
    if levels is None and (found := coarse & set(labels.dropna())):
        raise ShapebiasError(
            f"{image_set}: its labels are entry-level classes ({min(found)}), not the network's "
            "own: name it under entry_level_sets, or give its source label_from: filename_prefix"
        )
