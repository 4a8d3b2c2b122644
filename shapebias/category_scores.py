"""Scores of silenced channels by what the channels detect."""

import pandas as pd

from shapebias.categories import category_rank
from shapebias.errors import ShapebiasError


def scores_by_category(scores: pd.DataFrame, dissection: pd.DataFrame) -> pd.DataFrame:
    """Mean Shape and Texture scores over the channels that dissection gives each category.

    Parameters
    ----------
    scores
        The first frame of `shapebias.ablation.ablate`, of one network.
    dissection
        The first frame of `shapebias.dissection.dissect`, of the same network.

    Returns
    -------
    Frame with category, n_channels, mean_shape_score and mean_texture_score: first "all" for every
    silenced channel, then the categories that a channel has. A channel that meets no concept (IoU
    0) has no category and counts under "all" only.

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
    groups = {"all": joined} | dict(list(joined[joined["iou"] > 0].groupby("category")))
    rows = [
        (name, len(group), group["shape_score"].mean(), group["texture_score"].mean())
        for name, group in sorted(
            groups.items(), key=lambda item: (item[0] != "all", category_rank(item[0]))
        )
    ]
    columns = ["category", "n_channels", "mean_shape_score", "mean_texture_score"]
    return pd.DataFrame(rows, columns=columns)
