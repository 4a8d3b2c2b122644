"""Mean number of concepts that a unit detects, by layer."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from shapebias.intervals import mean_margin
from shapebias.report.plotting.layer_lines import layer_lines
from shapebias.report.plotting.panels import Alone, Pairs
from shapebias.report.plotting.style import note
from shapebias.report.table_rows import measured


def draw(
    *,
    dissection: pd.DataFrame,
    pairs: Pairs,
    alone: Alone,
    dissection_twins: pd.DataFrame | None = None,
) -> Figure:
    """Lines of mean diversity by layer with 95 % intervals over channels, a panel a pair.

    Parameters
    ----------
    dissection
        Table `dissection`, one row a channel.
    pairs
        Pair to its `standard` and `robust` network.
    alone
        Networks of the study that are in no pair, in its order.
    dissection_twins
        Table of that name: channels of networks that have learnt nothing, a line for each kind.
    """
    if dissection.empty:
        return note("Units are not dissected in this study.")
    rows = []
    for (model, layer), own in dissection.groupby(["model", "layer"], sort=False):
        mean, margin = mean_margin(own["diversity"].to_numpy(float))
        # Of a single channel there is no band; and none detects fewer than no concepts.
        ends = (max(mean - margin, 0.0), mean + margin) if np.isfinite(margin) else (mean, mean)
        rows.append((model, layer, mean, *ends))
    frame = pd.DataFrame(rows, columns=["model", "layer", "mean", "low", "high"])
    means = dissection.groupby("model", sort=False)["diversity"].mean().to_dict()
    label = "Mean diversity\n(concepts a channel)"
    chance = None
    if (twins := measured(dissection_twins)) is not None:
        groups = twins.groupby(["model", "layer", "twin"], sort=False)["diversity"]
        chance = groups.mean().rename("mean").reset_index()
    return layer_lines(
        frame, value="mean", label=label, pairs=pairs, alone=alone, means=means, chance=chance
    )
