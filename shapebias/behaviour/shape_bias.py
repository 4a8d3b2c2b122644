"""Shape bias of networks on cue-conflict images, and differences between networks."""

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float

from shapebias.errors import ShapebiasError
from shapebias.intervals import paired_bootstrap, wilson

# Tuples of (model, image_set) and its predictions.
Scored = Iterable[tuple[tuple[str, str], pd.DataFrame]]


def shape_bias(frame: pd.DataFrame) -> pd.DataFrame:
    """Compute the shape bias on cue-conflict images, pooled and for each shape class.

    Parameters
    ----------
    frame
        One row per image: image_id, shape and texture (its two classes) and decision. Images whose
        shape and texture agree are excluded.

    Returns
    -------
    Frame with class ("all", then each shape class), n_shape, n_texture, n_neither, shape_bias =
    n_shape / (n_shape + n_texture), and low and high of its 95 % Wilson interval. NaN where no
    decision is the shape or the texture class.

    References
    ----------
    .. [1] Geirhos et al. (2019). ImageNet-trained CNNs are biased towards texture. ICLR.
       :DOI:`10.48550/arXiv.1811.12231`

    Examples
    --------
    >>> frame = pd.DataFrame({"image_id": list("ijkl"), "shape": "cat", "texture": "dog"})
    >>> frame["decision"] = ["cat", "cat", "cat", "dog"]
    >>> shape_bias(frame)[["class", "n_shape", "n_texture", "shape_bias"]]
      class  n_shape  n_texture  shape_bias
    0   all        3          1        0.75
    1   cat        3          1        0.75
    """
    conflict = frame[frame["shape"] != frame["texture"]]
    rows = [_bias_row("all", conflict)]
    rows += [_bias_row(name, group) for name, group in conflict.groupby("shape", sort=True)]
    return pd.DataFrame(rows)


def _bias_row(name: str, images: pd.DataFrame) -> dict[str, Any]:
    n_shape = int((images["decision"] == images["shape"]).sum())
    n_texture = int((images["decision"] == images["texture"]).sum())
    low, high = wilson(n_shape, n_shape + n_texture)
    return {
        "class": name,
        "n_shape": n_shape,
        "n_texture": n_texture,
        "n_neither": len(images) - n_shape - n_texture,
        "shape_bias": ratio(n_shape, n_shape + n_texture),
        "low": low,
        "high": high,
    }


def shape_outcomes(frame: pd.DataFrame) -> pd.Series:
    """Return the outcome of each conflict image, by image_id: 1 shape, 0 texture, NaN neither.

    The mean of the outcomes is the shape bias; `paired_difference` compares the outcomes of two
    networks.
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
    """Compute the difference of two proportions or shape biases over the same images, a minus b.

    Parameters
    ----------
    a, b
        Outcome of each image: 1, 0 or, if it is excluded, NaN. Series are paired by index
        (`shape_outcomes`), arrays by position.
    seed
        Seed of the bootstrap.
    resamples
        Number of bootstrap samples of the images.

    Returns
    -------
    The difference, and low and high of its 95 % interval, by a paired bootstrap over images.

    Raises
    ------
    ShapebiasError
        If the outcomes are not of the same images.
    """
    if isinstance(a, pd.Series) and isinstance(b, pd.Series):
        check_same_images(a.index, b.index)
        b = b.reindex(a.index)
    return paired_bootstrap(
        np.asarray(a, dtype=float), np.asarray(b, dtype=float), seed=seed, resamples=resamples
    )


def entry_decisions(predictions: pd.DataFrame, entry_classes: Sequence[str] | None) -> pd.Series:
    """Return the decision on each image: the most probable entry-level class, or the top-1 class.

    Parameters
    ----------
    predictions
        Frame with top5 and, for entry-level decisions, entry_probabilities, as
        `shapebias.behaviour.predict.predict` returns it.
    entry_classes
        Names in the order of entry_probabilities; None for the top-1 class. Ties go to the first
        name in alphabetical order.

    Raises
    ------
    ShapebiasError
        If the predictions have no entry-level probabilities.
    """
    if entry_classes is None:
        decisions = [names[0] for names in predictions["top5"]]
        return pd.Series(decisions, index=predictions.index, name="decision", dtype=str)
    if "entry_probabilities" not in predictions:
        raise ShapebiasError(
            "the predictions have no entry-level probabilities: predict with `entry_level`"
        )
    alphabetical = np.argsort(np.array(entry_classes, dtype=str), kind="stable")
    table = np.array(predictions["entry_probabilities"].tolist(), dtype=float)
    best = table.reshape(len(predictions), len(entry_classes))[:, alphabetical].argmax(axis=1)
    decisions = [entry_classes[alphabetical[number]] for number in best]
    return pd.Series(decisions, index=predictions.index, name="decision", dtype=str)


def check_same_images(a: pd.Series | pd.Index, b: pd.Series | pd.Index) -> None:
    """Raise `ShapebiasError` unless two results are for the same images, each once."""
    if len(set(a)) != len(a) or len(set(b)) != len(b):
        raise ShapebiasError("an image id occurs twice in the results of a network")
    if difference := sorted(set(a) ^ set(b)):
        raise ShapebiasError(
            f"the results of two networks are for different images: {len(difference)} are in only "
            f"one of the two, such as {difference[0]!r}"
        )


def ratio(part: int, whole: int) -> float:
    """Return ``part / whole``; NaN if `whole` is 0."""
    return part / whole if whole else math.nan


def shape_bias_table(scored: Scored, cues: pd.DataFrame) -> pd.DataFrame:
    """Compute the shape bias of each network on each cue-conflict set.

    Parameters
    ----------
    scored
        Tuples of (model, image_set) and its predictions.
    cues
        Columns image_set, image_id, shape and texture of the conflict images.

    Raises
    ------
    ShapebiasError
        If an image has no shape or texture class.
    """
    for cue in ("shape", "texture"):
        for image_set, image_id in cues.loc[cues[cue].isna(), ["image_set", "image_id"]].values:
            raise ShapebiasError(
                f"{image_set}: image {image_id!r} has no {cue} class; shape bias needs a "
                "cue-conflict set"
            )
    frames = []
    for (model, image_set), predictions in scored:
        decisions = predictions[["image_id"]].assign(
            decision=entry_decisions(predictions, predictions.attrs["entry_classes"]).to_numpy()
        )
        cues_of_set = cues[cues["image_set"] == image_set]
        frame = decisions.merge(cues_of_set, on="image_id", how="left", validate="one_to_one")
        frames.append(shape_bias(frame).assign(model=model, image_set=image_set))
    return pd.concat(frames, ignore_index=True)
