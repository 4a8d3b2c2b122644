"""How much noise roughens each channel's activation map."""

import numpy as np
import pandas as pd
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
    """One point a channel: total variation on the clean against the noisy images.

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
        # A few nearly silent channels would squeeze all others into a corner.
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
        high = sum(one.get_window_extent().height for one in figure.legends) / figure.bbox.height
        figure.supylabel(
            f"Mean total variation on\n{label(noisy)} (units of activation)",
            y=(1 - high) / 2,
            fontsize=8,
        )
        return figure


def _limits(values: np.ndarray) -> tuple[float, float]:
    """Ends of both axes: the lowest of a hundred values may lie beyond."""
    return max(values.min(), np.quantile(values, 0.01) / 3) / 1.3, values.max() * 1.3


def _draw_points(axes: Axes, own: pd.DataFrame, network: Network, place: int) -> None:
    if own.empty:
        return
    axes.plot(
        own["clean"],
        own["noisy"],
        "o",
        color=network.colour,
        markersize=2,
        alpha=0.45,
        mew=0,
        rasterized=True,
    )
    change = f"median × {np.median(own['noisy'] / own['clean']):.2f}"
    axes.text(
        0.04,
        0.96 - 0.085 * place,
        change,
        transform=axes.transAxes,
        color=network.colour,
        va="top",
        fontsize=7,
    )


def _scale(axes: Axes, limits: tuple[float, float]) -> None:
    axes.set(xscale="log", yscale="log", xlim=limits, ylim=limits, box_aspect=1)
    log_axis(axes.xaxis)
    log_axis(axes.yaxis)
