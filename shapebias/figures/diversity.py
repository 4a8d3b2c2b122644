"""Mean number of concepts that a unit detects, by layer."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from shapebias.drawing import Pairs, note
from shapebias.panel_kinds import layer_lines


def draw(
    *, dissection: pd.DataFrame, pairs: Pairs, dissection_twins: pd.DataFrame | None = None
) -> Figure:
    """Lines of mean diversity by layer with 95 % intervals over channels, a panel a pair.

    Parameters
    ----------
    dissection
        Table `dissection`, one row a channel.
    pairs
        Pair to its `standard` and `robust` network.
    dissection_twins
        Table of that name: channels of networks that have learnt nothing.
    """
    if dissection.empty:
        return note("Units are not dissected in this study.")
    groups = dissection.groupby(["model", "layer"], sort=False)["diversity"]
    frame = groups.agg(["mean", "std", "count"]).reset_index()
    margin = 1.96 * frame["std"].fillna(0) / np.sqrt(frame["count"])
    frame = frame.assign(low=frame["mean"] - margin, high=frame["mean"] + margin)
    means = dissection.groupby("model", sort=False)["diversity"].mean().to_dict()
    label = "Mean diversity\n(concepts a channel)"
    chance = None
    if dissection_twins is not None and len(dissection_twins):
        twins = dissection_twins.groupby(["model", "layer"], sort=False)["diversity"]
        chance = twins.mean().rename("mean").reset_index()
    return layer_lines(frame, value="mean", label=label, pairs=pairs, means=means, chance=chance)
