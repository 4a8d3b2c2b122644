"""Mean total variation of the kernels of each convolution, standard against robust."""

import pandas as pd
from matplotlib.figure import Figure

from shapebias.report.plotting.layer_lines import layer_lines
from shapebias.report.plotting.panels import Pairs, Unpaired
from shapebias.report.plotting.style import empty_figure


def draw(*, kernel_tv: pd.DataFrame, pairs: Pairs, unpaired: Unpaired) -> Figure:
    """Draw mean kernel total variation by convolution, a panel for each pair.

    Parameters
    ----------
    kernel_tv
        Table `kernel_tv`; its layer `all` is written above the panel.
    pairs
        Pair to its `standard` and `robust` network.
    unpaired
        Networks of the study that are in no pair, in its order.
    """
    whole = kernel_tv["layer"] == "all"
    if kernel_tv[~whole].empty:
        return empty_figure("The smoothness of kernels is not measured in this study.")
    means = kernel_tv[whole].set_index("model")["mean_tv"].to_dict()
    label = "Mean kernel total variation\n(units of weight)"
    return layer_lines(
        kernel_tv[~whole],
        value="mean_tv",
        label=label,
        pairs=pairs,
        unpaired=unpaired,
        means=means,
        numbered=True,
    )
