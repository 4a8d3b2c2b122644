"""Total variation of each channel's activation map, on noisy against clean images."""

import numpy as np
import pandas as pd
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from shapebias.report.plotting.panels import (
    Network,
    Pairs,
    Unpaired,
    add_legend,
    grid,
    panels,
    set_title,
)
from shapebias.report.plotting.style import FAINT, empty_figure, label, log_axis, style
from shapebias.report.table_rows import varying_channels


def draw(
    *, activation_tv: pd.DataFrame, pairs: Pairs, unpaired: Unpaired, clean: str, noisy: str
) -> Figure:
    """Draw one point for each channel: total variation on the noisy against the clean images.

    Parameters
    ----------
    activation_tv
        Table `activation_tv`.
    pairs
        Pair to its `standard` and `robust` network.
    unpaired
        Networks of the study that are in no pair, in its order.
    clean, noisy
        Names of the two image sets.
    """
    both = varying_channels(activation_tv, clean=clean, noisy=noisy)
    if both.empty:
        return empty_figure("The smoothness of activations is not measured in this study.")
    with style():
        shown = panels(both["model"], pairs, unpaired)
        figure, cells = grid(len(shown), height=1.8 if len(shown) == 4 else 2.4)
        limits = _limits(both[["clean", "noisy"]].to_numpy())
        # A few channels with tiny activations would squeeze all others into a corner.
        both = both.assign(clean=both["clean"].clip(*limits), noisy=both["noisy"].clip(*limits))
        for panel, (axes,) in zip(shown, cells, strict=True):
            set_title(axes, panel.title)
            axes.plot(limits, limits, color=FAINT, lw=0.8, dashes=(3, 2), zorder=0)
            for place, network in enumerate(panel.networks):
                _draw_points(axes, both[both["model"] == network.model], network, place)
            _scale(axes, limits)
        figure.supxlabel(
            f"Mean total variation on {label(clean)} (units of activation)", fontsize=8
        )
        add_legend(figure, shown)
        legends = sum(legend.get_window_extent().height for legend in figure.legends)
        figure.supylabel(
            f"Mean total variation on\n{label(noisy)} (units of activation)",
            y=(1 - legends / figure.bbox.height) / 2,
            fontsize=8,
        )
        return figure


def _limits(values: Float[np.ndarray, "channel set"]) -> tuple[float, float]:
    """Ends of both axes; up to 1 % of the values are below."""
    low = max(values.min(), np.quantile(values, 0.01) / 3)
    return float(low / 1.3), float(values.max() * 1.3)


def _draw_points(axes: Axes, rows: pd.DataFrame, network: Network, place: int) -> None:
    if rows.empty:
        return
    point = {"color": network.colour, "markersize": 2, "alpha": 0.45, "mew": 0}
    axes.plot(rows["clean"], rows["noisy"], "o", rasterized=True, **point)
    change = f"median × {np.median(rows['noisy'] / rows['clean']):.2f}"
    font = {"color": network.colour, "va": "top", "fontsize": 7}
    axes.text(0.04, 0.96 - 0.085 * place, change, transform=axes.transAxes, **font)


def _scale(axes: Axes, limits: tuple[float, float]) -> None:
    axes.set(xscale="log", yscale="log", xlim=limits, ylim=limits, box_aspect=1)
    log_axis(axes.xaxis)
    log_axis(axes.yaxis)
