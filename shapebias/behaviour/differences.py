"""Differences between the two networks of a pair on the same images, by paired bootstrap."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from shapebias.behaviour.shape_bias import entry_decisions, paired_difference, shape_outcomes
from shapebias.seeds import seed_of

# Number of times that the images are drawn with replacement.
RESAMPLES = 10_000

Pairs = Mapping[str, Mapping[str, str]]
# From a network and an image set to the predictions of that network on it.
ReadPredictions = Callable[[str, str], pd.DataFrame]


def accuracy_differences(
    read: ReadPredictions,
    image_sets: Sequence[str],
    pairs: Pairs,
    selections: Mapping[str, set[str]],
    *,
    seed: int,
    entry_level: Mapping[str, str] | None = None,
    entry_level_sets: Collection[str] = (),
) -> list[dict[str, Any]]:
    """Difference in top-1 accuracy within each pair, robust less standard.

    Parameters
    ----------
    read
        Returns the predictions of a network on an image set.
    image_sets
        Image sets that are scored.
    pairs
        Pair to its `standard` and `robust` network.
    selections
        Pair to the ids of the images that both of its networks label correctly when clean.
    seed
        Seed of the study.
    entry_level
        Entry-level class of each fine class.
    entry_level_sets
        Image sets that are scored by entry-level class.

    Returns
    -------
    Rows of the table `differences`: for each pair and image set one over all labelled images,
    and one over those of the pair's selection.
    """
    rows = []
    for pair, sides in pairs.items():
        for image_set in image_sets:
            levels = (entry_level or {}) if image_set in entry_level_sets else {}
            standard, robust = (
                top1_outcomes(read(sides[side], image_set), levels)
                for side in ("standard", "robust")
            )
            for selection, images in (("all", None), (pair, selections[pair])):
                outcomes = [
                    side if images is None else side[side.index.isin(images)]
                    for side in (standard, robust)
                ]
                rows.append(_row("top1", pair, image_set, selection, *outcomes, seed=seed))
    return rows


def shape_bias_differences(
    read: ReadPredictions, cues: Mapping[str, pd.DataFrame], pairs: Pairs, *, seed: int
) -> list[dict[str, Any]]:
    """Difference in shape bias within each pair, robust less standard.

    Parameters
    ----------
    read
        Returns the predictions of a network on an image set.
    cues
        Cue-conflict set to image_id, shape and texture of its images.
    pairs
        Pair to its `standard` and `robust` network.
    seed
        Seed of the study.

    Returns
    -------
    Rows of the table `differences`: for each pair and cue-conflict set one over all images whose
    shape and texture differ. A resample counts, for each network, the images that it decides by
    shape or by texture.
    """
    rows = []
    for pair, sides in pairs.items():
        for image_set, images in cues.items():
            outcomes = []
            for side in ("standard", "robust"):
                predictions = read(sides[side], image_set)
                decisions = entry_decisions(predictions, predictions.attrs["entry_classes"])
                decided = predictions[["image_id"]].assign(decision=decisions.to_numpy())
                decided = decided.merge(images, on="image_id", how="left", validate="one_to_one")
                outcomes.append(shape_outcomes(decided))
            rows.append(_row("shape_bias", pair, image_set, "all", *outcomes, seed=seed))
    return rows


def top1_outcomes(predictions: pd.DataFrame, entry_level: Mapping[str, str]) -> pd.Series:
    """Outcome of each labelled image, by image_id: 1 if its first class is the label, else 0.

    Parameters
    ----------
    predictions
        Columns image_id, label and top5.
    entry_level
        Class to the entry-level class that is compared in its place; may be empty.

    Examples
    --------
    >>> rows = [("a", "beagle", ["pug"]), ("b", None, ["pug"])]
    >>> frame = pd.DataFrame(rows, columns=["image_id", "label", "top5"])
    >>> top1_outcomes(frame, {}).to_dict()
    {'a': 0.0}
    >>> top1_outcomes(frame, {"beagle": "dog", "pug": "dog"}).to_dict()
    {'a': 1.0}
    """
    labelled = predictions[predictions["label"].notna()]
    is_right = [
        entry_level.get(classes[0], classes[0]) == entry_level.get(label, label)
        for label, classes in zip(labelled["label"], labelled["top5"], strict=True)
    ]
    index = pd.Index(labelled["image_id"])
    return pd.Series(np.array(is_right, dtype=float), index=index, name="outcome")


def _row(
    measure: str,
    pair: str,
    image_set: str,
    selection: str,
    standard: pd.Series,
    robust: pd.Series,
    *,
    seed: int,
) -> dict[str, Any]:
    bootstrap_seed = seed_of("paired difference", seed, measure, pair, image_set, selection)
    difference, low, high = paired_difference(
        robust, standard, seed=bootstrap_seed, resamples=RESAMPLES
    )
    return {
        "pair": pair,
        "image_set": image_set,
        "measure": measure,
        "selection": selection,
        "n": len(standard),
        "standard": float(standard.mean()),
        "robust": float(robust.mean()),
        "difference": difference,
        "low": low,
        "high": high,
    }
