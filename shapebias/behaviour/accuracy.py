"""Accuracy on image sets, and the images that both networks of a pair classify correctly."""

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
import pandas as pd

from shapebias.behaviour.shape_bias import Scored, check_same_images, ratio
from shapebias.errors import ShapebiasError
from shapebias.intervals import wilson


def accuracy(
    predictions: pd.DataFrame,
    selection: Collection[str] | None,
    *,
    entry_level: Mapping[str, str] | None = None,
) -> dict[str, float]:
    """Compute top-1 and top-5 accuracy over the labelled images of a selection.

    Parameters
    ----------
    predictions
        Frame with image_id, label and top5, as `shapebias.behaviour.predict.predict` returns it.
    selection
        Image ids to include; ids without a prediction are ignored. None includes all images.
    entry_level
        Maps fine classes to entry-level classes. If given, a prediction is correct if its
        entry-level class is that of the label (as for silhouettes); the label may be a fine class
        or an entry-level one.

    Returns
    -------
    n, the number of labelled images included; top1 and top5; top1_low and top1_high, the 95 %
    Wilson interval. Proportions are NaN if n is 0.

    Examples
    --------
    >>> predictions = pd.DataFrame(
    ...     {"image_id": ["i", "j"], "label": ["cat", "dog"], "top5": [["cat", "dog"]] * 2}
    ... )
    >>> scores = accuracy(predictions, None)
    >>> scores["n"], scores["top1"], scores["top5"]
    (2, 0.5, 1.0)
    """
    labelled = predictions[predictions["label"].notna()]
    if selection is not None:
        labelled = labelled[labelled["image_id"].isin(selection)]
    hits = np.array(_hits(labelled, entry_level or {}), dtype=bool).reshape(-1, 2)
    n, (top1, top5) = len(hits), hits.sum(axis=0).tolist()
    low, high = wilson(top1, n)
    return {
        "n": n,
        "top1": ratio(top1, n),
        "top5": ratio(top5, n),
        "top1_low": low,
        "top1_high": high,
    }


def _hits(predictions: pd.DataFrame, entry_level: Mapping[str, str]) -> list[tuple[bool, bool]]:
    """Whether the first class, and any of the first five, is correct, for each image."""
    hits = []
    for label, names in zip(predictions["label"], predictions["top5"], strict=True):
        correct = entry_level.get(label, label)
        classes = [entry_level.get(name, name) for name in names]
        hits.append((classes[0] == correct, correct in classes))
    return hits


def correctly_labelled(predictions_s: pd.DataFrame, predictions_r: pd.DataFrame) -> list[str]:
    """Return the ids of images whose top-1 class is correct for both networks, in their order.

    Raises
    ------
    ShapebiasError
        If the two frames are not of the same images.
    """
    check_same_images(predictions_s["image_id"], predictions_r["image_id"])
    correct_r = set(_correct_ids(predictions_r))
    return [image_id for image_id in _correct_ids(predictions_s) if image_id in correct_r]


def _correct_ids(predictions: pd.DataFrame) -> list[str]:
    rows = zip(predictions["image_id"], predictions["label"], predictions["top5"], strict=True)
    return [image_id for image_id, label, names in rows if label == names[0]]


def accuracy_table(
    scored: Scored,
    selections: Mapping[str, Collection[str]],
    pairs: Mapping[str, Mapping[str, str]],
    *,
    entry_level: Mapping[str, str] | None = None,
    entry_level_sets: Collection[str] = (),
) -> pd.DataFrame:
    """Compute accuracies over all images, and over those that a network's pair labels correctly.

    Parameters
    ----------
    scored
        Tuples of (model, image_set) and its predictions.
    selections
        Image ids by pair.
    pairs
        Maps each pair to its `standard` and `robust` network.
    entry_level
        Entry-level class of each fine class.
    entry_level_sets
        Image sets that are scored by entry-level class.

    Raises
    ------
    ShapebiasError
        If the labels of another image set are entry-level classes.
    """
    rows: list[dict[str, Any]] = []
    for (model, image_set), predictions in scored:
        ids_by_name = {"all": None} | {
            name: selections[name] for name, pair in pairs.items() if model in pair.values()
        }
        levels = entry_level if image_set in entry_level_sets else None
        if levels is None:
            _check_fine_labels(predictions["label"], image_set, entry_level or {})
        rows += [
            {"model": model, "image_set": image_set, "selection": name}
            | accuracy(predictions, image_ids, entry_level=levels)
            for name, image_ids in ids_by_name.items()
        ]
    return pd.DataFrame(rows)


def _check_fine_labels(labels: pd.Series, image_set: str, entry_level: Mapping[str, str]) -> None:
    """Raise `ShapebiasError` if labels are entry-level classes."""
    only_entry_level = set(entry_level.values()) - entry_level.keys()
    if names := only_entry_level & set(labels.dropna()):
        raise ShapebiasError(
            f"{image_set}: label {min(names)!r} is an entry-level class, not a class of the "
            "network: add the set to `entry_level_sets`, or set `label_from: filename_prefix` in "
            "its dataset"
        )
