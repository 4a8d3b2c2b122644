"""What networks decide: accuracy, the images two networks both get right, shape bias."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from jaxtyping import Float

from shapebias.errors import ShapebiasError
from shapebias.statistics import paired_bootstrap, wilson


def shape_bias(frame: pd.DataFrame) -> pd.DataFrame:
    """Shape bias on cue-conflict images, pooled and for each shape class.

    Parameters
    ----------
    frame
        One row an image, with image_id, shape and texture (its two classes) and decision. Images
        whose shape and texture agree are left out.

    Returns
    -------
    Frame with class ("all", then each shape class), n_shape, n_texture, n_neither, shape_bias =
    n_shape / (n_shape + n_texture), and low and high of its 95 % Wilson interval. NaN where no
    decision was for shape or texture.

    References
    ----------
    .. [1] Geirhos et al. (2019). ImageNet-trained CNNs are biased towards texture. ICLR.
       :DOI:`10.48550/arXiv.1811.12231`
    """
    conflict = frame[frame["shape"] != frame["texture"]]
    rows = [_bias_row("all", conflict)]
    rows += [_bias_row(name, group) for name, group in conflict.groupby("shape", sort=True)]
    return pd.DataFrame(rows)


def _bias_row(name: str, images: pd.DataFrame) -> dict:
    n_shape = int((images["decision"] == images["shape"]).sum())
    n_texture = int((images["decision"] == images["texture"]).sum())
    low, high = wilson(n_shape, n_shape + n_texture)
    return {
        "class": name,
        "n_shape": n_shape,
        "n_texture": n_texture,
        "n_neither": len(images) - n_shape - n_texture,
        "shape_bias": _ratio(n_shape, n_shape + n_texture),
        "low": low,
        "high": high,
    }


def shape_outcomes(frame: pd.DataFrame) -> pd.Series:
    """Outcome of each conflict image, by image_id: 1 shape, 0 texture, NaN neither.

    The mean of the outcomes is the shape bias; `paired_difference` compares two of them.
    """
    conflict = frame[frame["shape"] != frame["texture"]]
    outcomes = np.select(
        [conflict["decision"] == conflict["shape"], conflict["decision"] == conflict["texture"]],
        [1.0, 0.0],
        default=np.nan,
    )
    return pd.Series(outcomes, index=pd.Index(conflict["image_id"]), name="outcome")


def paired_difference(
    a: Float[np.ndarray, " image"] | pd.Series,
    b: Float[np.ndarray, " _"] | pd.Series,
    *,
    seed: int,
    resamples: int,
) -> tuple[float, float, float]:
    """Difference of two proportions or shape biases over the same images, a minus b.

    Parameters
    ----------
    a, b
        Outcome of each image: 1, 0 or, where it does not count, NaN. Two Series are paired by
        index (`shape_outcomes`), arrays by position.
    seed
        Of the resampling.
    resamples
        Number of samples of the images, drawn with replacement.

    Returns
    -------
    The difference, and low and high of its 95 % interval: paired bootstrap over images.

    Raises
    ------
    ShapebiasError
        If the two are not of the same images.
    """
    if isinstance(a, pd.Series) and isinstance(b, pd.Series):
        _check_same_images(a.index, b.index)
        b = b.reindex(a.index)
    return paired_bootstrap(
        np.asarray(a, dtype=float), np.asarray(b, dtype=float), seed=seed, resamples=resamples
    )


def entry_decisions(predictions: pd.DataFrame, entry_classes: Sequence[str] | None) -> pd.Series:
    """Decision on each image: the likeliest entry-level class, or else the top-1 class.

    Parameters
    ----------
    predictions
        As `shapebias.predictions.predict` gives them.
    entry_classes
        Names in the order of the column entry_probabilities; None where there is none. Ties go to
        the first in alphabetical order.
    """
    if entry_classes is None:
        decisions = [names[0] for names in predictions["top5"]]
        return pd.Series(decisions, index=predictions.index, name="decision", dtype=str)
    if "entry_probabilities" not in predictions:
        raise ShapebiasError("these predictions have no entry-level probabilities")
    alphabetical = np.argsort(np.array(entry_classes, dtype=str), kind="stable")
    table = np.array(predictions["entry_probabilities"].tolist(), dtype=float)
    best = table.reshape(len(predictions), len(entry_classes))[:, alphabetical].argmax(axis=1)
    decisions = [entry_classes[alphabetical[number]] for number in best]
    return pd.Series(decisions, index=predictions.index, name="decision", dtype=str)


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
        "top1": _ratio(top1, n),
        "top5": _ratio(top5, n),
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
    _check_same_images(predictions_s["image_id"], predictions_r["image_id"])
    right_r = set(_right_ids(predictions_r))
    return [image_id for image_id in _right_ids(predictions_s) if image_id in right_r]


def _right_ids(predictions: pd.DataFrame) -> list[str]:
    rows = zip(predictions["image_id"], predictions["label"], predictions["top5"], strict=True)
    return [image_id for image_id, label, names in rows if label == names[0]]


def _check_same_images(a: pd.Series | pd.Index, b: pd.Series | pd.Index) -> None:
    if len(set(a)) != len(a) or len(set(b)) != len(b):
        raise ShapebiasError("an image appears twice in what should hold each image once")
    if set(a) != set(b):
        apart = sorted(set(a) ^ set(b))
        raise ShapebiasError(
            f"two networks were given different images: {len(apart)} are in only one of the two, "
            f"such as {apart[0]!r}"
        )


def _ratio(part: int, whole: int) -> float:
    return part / whole if whole else math.nan
