"""Mean diversity (number of concepts that a channel detects) by layer."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from shapebias.intervals import mean_margin
from shapebias.report.plotting.layer_lines import layer_lines
from shapebias.report.plotting.panels import Pairs, Unpaired
from shapebias.report.plotting.style import empty_figure
from shapebias.report.table_rows import nonempty


def draw(
    *,
    dissection: pd.DataFrame,
    pairs: Pairs,
    unpaired: Unpaired,
    dissection_controls: pd.DataFrame | None = None,
) -> Figure:
    """Draw mean diversity by layer with 95 % intervals over channels, a panel for each pair.

    Parameters
    ----------
    dissection
        Table `dissection`.
    pairs
        Pair to its `standard` and `robust` network.
    unpaired
        Networks of the study that are in no pair, in its order.
    dissection_controls
        Table of that name; each randomised control is a broken line.
    """
    if dissection.empty:
        return empty_figure("Channels are not dissected in this study.")
    rows = []
    for (model, layer), channels in dissection.groupby(["model", "layer"], sort=False):
        mean, margin = mean_margin(channels["diversity"].to_numpy(float))
        # A single channel has no interval; diversity is never below 0.
        ends = (max(mean - margin, 0.0), mean + margin) if np.isfinite(margin) else (mean, mean)
        rows.append((model, layer, mean, *ends))
    frame = pd.DataFrame(rows, columns=["model", "layer", "mean", "low", "high"])
    means = dissection.groupby("model", sort=False)["diversity"].mean().to_dict()
    label = "Mean diversity\n(concepts per channel)"
    chance = None
    if (controls := nonempty(dissection_controls)) is not None:
        groups = controls.groupby(["model", "layer", "control"], sort=False)["diversity"]
        chance = groups.mean().rename("mean").reset_index()
    return layer_lines(
        frame, value="mean", label=label, pairs=pairs, unpaired=unpaired, means=means, chance=chance
    )
