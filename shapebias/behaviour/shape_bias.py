"""Shape bias of networks on cue-conflict images, and differences between networks."""

import math
from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd
from jaxtyping import Float

from shapebias.errors import ShapebiasError
from shapebias.intervals import paired_bootstrap, wilson

Scored = Iterable[tuple[tuple[str, str], pd.DataFrame]]


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
        "shape_bias": ratio(n_shape, n_shape + n_texture),
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
        check_same_images(a.index, b.index)
        b = b.reindex(a.index)
    return paired_bootstrap(
        np.asarray(a, dtype=float), np.asarray(b, dtype=float), seed=seed, resamples=resamples
    )


def entry_decisions(predictions: pd.DataFrame, entry_classes: Sequence[str] | None) -> pd.Series:
    """Decision on each image: the likeliest entry-level class, or else the top-1 class.

    Parameters
    ----------
    predictions
        As `shapebias.behaviour.predict.predict` gives them.
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


def check_same_images(a: pd.Series | pd.Index, b: pd.Series | pd.Index) -> None:
    """Raise `ShapebiasError` unless two results are on the same images."""
    if len(set(a)) != len(a) or len(set(b)) != len(b):
        raise ShapebiasError("an image appears twice in what should hold each image once")
    if set(a) != set(b):
        apart = sorted(set(a) ^ set(b))
        raise ShapebiasError(
            f"two networks were given different images: {len(apart)} are in only one of the two, "
            f"such as {apart[0]!r}"
        )


def ratio(part: int, whole: int) -> float:
    """Return ``part / whole``; NaN where `whole` is 0."""
    return part / whole if whole else math.nan


def shape_bias_table(scored: Scored, cues: pd.DataFrame) -> pd.DataFrame:
    """Shape bias of each network on each cue-conflict set.

    Parameters
    ----------
    scored
        Pairs of (model, image_set) and its predictions.
    cues
        Columns image_set, image_id, shape and texture of the conflict images.

    Raises
    ------
    ShapebiasError
        If an image has no shape or texture class.
    """
    for name in ("shape", "texture"):
        for image_set, image_id in cues.loc[cues[name].isna(), ["image_set", "image_id"]].values:
            raise ShapebiasError(
                f"{image_set}: image {image_id!r} has no {name}; this is no cue-conflict set"
            )
    frames = []
    for (model, image_set), predictions in scored:
        decided = predictions[["image_id"]].assign(
            decision=entry_decisions(predictions, predictions.attrs["entry_classes"]).to_numpy()
        )
        known = cues[cues["image_set"] == image_set]
        joined = decided.merge(known, on="image_id", how="left", validate="one_to_one")
        frames.append(shape_bias(joined).assign(model=model, image_set=image_set))
    return pd.concat(frames, ignore_index=True)
