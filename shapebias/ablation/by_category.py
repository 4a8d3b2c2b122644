"""Average ablation scores over the channels of each category."""

import math

import numpy as np
import pandas as pd

from shapebias.errors import ShapebiasError
from shapebias.intervals import mean_margin
from shapebias.stimuli.concept_categories import category_rank

CUES = ("shape", "texture")


def scores_of_networks(
    ablation: pd.DataFrame, dissection: pd.DataFrame, *, iou_cut: float = 0.0
) -> pd.DataFrame:
    """Scores by category of every network in the table `ablation`: `ablation_by_category`."""
    labels = dict(list(dissection.groupby("model")))
    frames = [
        scores_by_category(scores, labels[model], iou_cut=iou_cut).assign(model=model)
        for model, scores in ablation.groupby("model", sort=False)
    ]
    return pd.concat(frames, ignore_index=True)


def scores_by_category(
    scores: pd.DataFrame, dissection: pd.DataFrame, *, iou_cut: float = 0.0
) -> pd.DataFrame:
    """Average the Shape and Texture scores over the channels labelled with each category.

    Parameters
    ----------
    scores
        The scores from `shapebias.ablation.channels.ablate`, of one network.
    dissection
        The labels from `shapebias.dissection.dissect.dissect`, of the same network.
    iou_cut
        Lowest IoU of a channel that counts in its category.

    Returns
    -------
    Frame as the table `ablation_by_category`, without the column model: first the category "all"
    for every ablated channel, then each category that a channel has. A channel of IoU 0 or below
    the cut counts in "all" only.

    Notes
    -----
    A network with more decisions by shape has more of them to lose, so the frame has the lost
    share of the decisions by each cue besides the scores. Decisions by the rarer cue are often
    close, and a larger share of close decisions is lost.

    Raises
    ------
    ShapebiasError
        If an ablated channel was not dissected.
    """
    labels = dissection[["layer", "channel", "category", "iou"]]
    joined = scores.merge(labels, on=["layer", "channel"], how="left", validate="one_to_one")
    missing = joined[joined["category"].isna()]
    if len(missing):
        first = missing.iloc[0]
        raise ShapebiasError(
            f"channel {first['channel']} of {first['layer']} was ablated but not dissected: "
            "dissect all ablated layers"
        )
    labelled = joined[(joined["iou"] > 0) & (joined["iou"] >= iou_cut)]
    groups = {"all": joined} | dict(list(labelled.groupby("category")))
    order = sorted(groups, key=lambda name: (name != "all", category_rank(name)))
    return pd.DataFrame([_row(groups[name]) | {"category": name} for name in order])


def _row(scores: pd.DataFrame) -> dict[str, float]:
    """Counts, mean scores and lost shares of a group of channels of one network."""
    row: dict[str, float] = {"n_channels": len(scores)}
    for cue in CUES:
        decisions = row[f"n_{cue}"] = int(scores[f"n_{cue}"].iloc[0])
        mean, margin = mean_margin(scores[f"{cue}_score"].to_numpy(float))
        row[f"mean_{cue}_score"] = mean
        ends = (mean - margin, mean + margin) if math.isfinite(margin) else (math.nan, math.nan)
        names = (f"mean_{cue}_share", f"{cue}_share_low", f"{cue}_share_high")
        for name, value in zip(names, (mean, *ends), strict=True):
            row[name] = float(np.clip(value / decisions, 0, 1)) if decisions else math.nan
    return row
