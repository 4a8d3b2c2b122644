"""Mean total variation of the kernels by layer, standard against robust."""

import pandas as pd
from matplotlib.figure import Figure

from shapebias.report.plotting.layer_lines import layer_lines
from shapebias.report.plotting.panels import Alone, Pairs
from shapebias.report.plotting.style import note


def draw(*, kernel_tv: pd.DataFrame, pairs: Pairs, alone: Alone) -> Figure:
    """Lines of mean kernel total variation by convolution, a panel a pair.

    Parameters
    ----------
    kernel_tv
        Table `kernel_tv`; its layer `all` is written at the head of the panel.
    pairs
        Pair to its `standard` and `robust` network.
    alone
        Networks of the study that are in no pair, in its order.
    """
    whole = kernel_tv["layer"] == "all"
    if kernel_tv[~whole].empty:
        return note("The smoothness of kernels is not measured in this study.")
    means = kernel_tv[whole].set_index("model")["mean_tv"].to_dict()
    label = "Mean kernel total variation\n(units of weight)"
    return layer_lines(
        kernel_tv[~whole],
        value="mean_tv",
        label=label,
        pairs=pairs,
        alone=alone,
        means=means,
        numbered=True,
    )
