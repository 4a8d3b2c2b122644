"""Shape bias of each network with its interval, and its share of decisions by neither cue."""

import numpy as np
import pandas as pd
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from shapebias.report.plotting.panels import Network, Pairs, Unpaired, add_legend, panels, wrap_text
from shapebias.report.plotting.style import FAINT, PAGE, empty_figure, label, style

# Width of the networks' names in inches.
NAMES = 1.8


def draw(*, shape_bias: pd.DataFrame, pairs: Pairs, unpaired: Unpaired) -> Figure:
    """Draw shape bias as bars, pair by pair.

    Parameters
    ----------
    shape_bias
        Table `shape_bias`.
    pairs
        Pair to its `standard` and `robust` network.
    unpaired
        Networks of the study that are in no pair, in its order.

    References
    ----------
    .. [1] Geirhos et al. (2019). ImageNet-trained CNNs are biased towards texture; increasing
       shape bias improves accuracy and robustness. ICLR. :DOI:`10.48550/arXiv.1811.12231`
    """
    pooled = shape_bias[shape_bias["class"] == "all"]
    if pooled.empty:
        return empty_figure("Shape bias is not measured in this study.")
    with style():
        shown = panels(pooled["model"], pairs, unpaired)
        networks = [network for panel in shown for network in panel.networks]
        # A gap after each pair.
        gaps = np.repeat(np.arange(len(shown)) * 0.5, [len(panel.networks) for panel in shown])
        at = np.arange(len(networks)) + gaps
        sets = list(dict.fromkeys(pooled["image_set"]))
        n_lines = max(wrap_text(network.model, NAMES).count("\n") + 1 for network in networks)
        height = len(sets) * (max(0.21, 0.14 * n_lines) * (at[-1] + 2)) + 0.8
        figure = Figure(figsize=(PAGE - 1.2, height), layout="constrained")
        axes = figure.subplots(len(sets), 2, squeeze=False, width_ratios=(3.2, 1), sharey=True)
        for (bias, neither), image_set in zip(axes, sets, strict=True):
            rows = pooled[pooled["image_set"] == image_set].set_index("model")
            rows = rows.reindex([network.model for network in networks])
            _draw_bias(bias, rows, networks, at)
            _draw_neither(neither, rows, networks, at)
            bias.set_title(label(image_set))
        add_legend(figure, [panel for panel in shown if panel.pair])
        return figure


def _draw_bias(
    axes: Axes, rows: pd.DataFrame, networks: list[Network], at: Float[np.ndarray, " network"]
) -> None:
    for y, network, row in zip(at, networks, rows.itertuples(), strict=True):
        if not np.isfinite(row.shape_bias):
            axes.text(1, y, "no decision by shape or texture", color=FAINT, va="center")
            continue
        value, low, high = 100 * row.shape_bias, 100 * row.low, 100 * row.high
        axes.barh(y, value, height=0.86, color=network.colour)
        axes.plot((low, high), (y, y), color="#222222", lw=1)
        # The dashed line must not cross the number.
        box = {"facecolor": "white", "edgecolor": "none", "pad": 0.4}
        axes.text(high + 1.2, y, f"{value:.1f}", va="center", fontsize=7.5, bbox=box)
    axes.axvline(50, color=FAINT, lw=0.8, dashes=(3, 2), zorder=0)
    axes.set_xlim(0, 108)
    axes.set_xticks(range(0, 101, 25))
    axes.set_ylim(at[-1] + 0.7, -0.7)
    axes.set_yticks(at, [wrap_text(network.model, NAMES) for network in networks])
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel("Shape bias (% of decisions by shape or texture)")


def _draw_neither(
    axes: Axes, rows: pd.DataFrame, networks: list[Network], at: Float[np.ndarray, " network"]
) -> None:
    total = rows[["n_shape", "n_texture", "n_neither"]].sum(axis=1)
    share = (100 * rows["n_neither"] / total).to_numpy()
    colours = [network.colour for network in networks]
    axes.barh(at, np.nan_to_num(share), height=0.86, color=colours, alpha=0.45)
    for y, value in zip(at, share, strict=True):
        if np.isfinite(value):
            axes.text(value + 2, y, f"{value:.0f}", va="center", fontsize=7.5)
    axes.set_xlim(0, 115)
    axes.set_xticks((0, 50, 100))
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel("Neither cue (%)")
