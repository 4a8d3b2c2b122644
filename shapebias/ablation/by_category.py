"""Scores of silenced channels by what the channels detect."""

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
    """Scores by category of every network in the table `ablation`; the table of that name."""
    labels = dict(list(dissection.groupby("model")))
    frames = [
        scores_by_category(scores, labels[model], iou_cut=iou_cut).assign(model=model)
        for model, scores in ablation.groupby("model", sort=False)
    ]
    return pd.concat(frames, ignore_index=True)


def scores_by_category(
    scores: pd.DataFrame, dissection: pd.DataFrame, *, iou_cut: float = 0.0
) -> pd.DataFrame:
    """Mean Shape and Texture scores over the channels that dissection gives each category.

    Parameters
    ----------
    scores
        The first frame of `shapebias.ablation.channels.ablate`, of one network.
    dissection
        The first frame of `shapebias.dissection.dissect`, of the same network.
    iou_cut
        Least IoU of a channel that counts under its category.

    Returns
    -------
    Frame as the table `ablation_by_category` has it, without the network: first category "all" for
    every silenced channel, then the categories that a channel has. A channel that meets no concept
    (IoU 0), or not well enough, has no category and counts under "all" only. Beside the scores
    stand the shares of the network's decisions by that cue, as one that decides by shape has more
    such decisions to lose; decisions by the cue that seldom wins can be close ones, of which a
    larger share is lost.

    Raises
    ------
    ShapebiasError
        If a silenced channel was not dissected.
    """
    labels = dissection[["layer", "channel", "category", "iou"]]
    joined = scores.merge(labels, on=["layer", "channel"], how="left", validate="one_to_one")
    missing = joined[joined["category"].isna()]
    if len(missing):
        first = missing.iloc[0]
        raise ShapebiasError(f"channel {first['channel']} of {first['layer']} was not dissected")
    labelled = joined[(joined["iou"] > 0) & (joined["iou"] >= iou_cut)]
    groups = {"all": joined} | dict(list(labelled.groupby("category")))
    order = sorted(groups, key=lambda name: (name != "all", category_rank(name)))
    return pd.DataFrame([_row(groups[name]) | {"category": name} for name in order])


def _row(own: pd.DataFrame) -> dict[str, float]:
    """Counts, mean scores and shares of some channels of one network."""
    row: dict[str, float] = {"n_channels": len(own)}
    for cue in CUES:
        decisions = row[f"n_{cue}"] = int(own[f"n_{cue}"].iloc[0])
        score, margin = mean_margin(own[f"{cue}_score"].to_numpy(float))
        row[f"mean_{cue}_score"] = score
        ends = (score - margin, score + margin) if math.isfinite(margin) else (math.nan, math.nan)
        names = (f"mean_{cue}_share", f"{cue}_share_low", f"{cue}_share_high")
        for name, value in zip(names, (score, *ends), strict=True):
            row[name] = float(np.clip(value / decisions, 0, 1)) if decisions else math.nan
    return row
