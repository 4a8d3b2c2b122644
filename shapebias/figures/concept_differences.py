"""Concepts of which a robust network has more or fewer channels than its standard twin."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from shapebias.drawing import ROBUST, STANDARD, Pairs, Panel, grid, look, note, panels

# Concepts shown at each end.
MOST = 8


def draw(*, dissection: pd.DataFrame, pairs: Pairs, iou_cut: float = 0.0) -> Figure:
    """Bars of the difference in channels by concept, a panel a pair.

    Networks in no pair have bars of their channels by concept instead.

    Parameters
    ----------
    dissection
        Table `dissection`, one row a channel.
    pairs
        Pair to its `standard` and `robust` network.
    iou_cut
        Least IoU of a channel that counts; one that meets no concept never does.
    """
    if dissection.empty:
        return note("Units are not dissected in this study.")
    counting = dissection[(dissection["iou"] > 0) & (dissection["iou"] >= iou_cut)]
    counts = counting.groupby(["concept", "model"]).size().unstack(fill_value=0)
    counts = counts.reindex(columns=dissection["model"].unique(), fill_value=0)
    with look():
        shown = [part for panel in panels(dissection["model"], pairs) for part in _parts(panel)]
        figure, cells = grid(len(shown), height=2.9)
        for panel, (axes,) in zip(shown, cells, strict=True):
            models = [network.model for network in panel.networks]
            axes.set_title(panel.title)
            if len(models) == 2:
                _draw_differences(axes, counts[models[1]] - counts[models[0]])
            else:
                values = counts[models[0]].nlargest(2 * MOST)
                _draw(axes, values, [panel.networks[0].colour] * len(values))
                axes.set_xlabel("Channels")
        return figure


def _parts(panel: Panel) -> Sequence[Panel]:
    """A pair as it is; every other network in a panel of its own."""
    if len(panel.networks) == 2 and panel.pair:
        return [panel]
    return [Panel(network.model, (network,)) for network in panel.networks]


def _draw_differences(axes: Axes, difference: pd.Series) -> None:
    ordered = difference[difference != 0].sort_values(ascending=False, kind="stable")
    ends = pd.concat([ordered[ordered > 0].head(MOST), ordered[ordered < 0].tail(MOST)])
    _draw(axes, ends, [ROBUST if value > 0 else STANDARD for value in ends])
    axes.axvline(0, color="#444444", linewidth=0.7)
    axes.set_xlabel("Channels,\nrobust less standard")


def _draw(axes: Axes, values: pd.Series, colours: Sequence[str]) -> None:
    at = np.arange(len(values))
    axes.barh(at, values, color=colours, height=0.75)
    axes.set_yticks(at, values.index, fontsize=6.5)
    axes.set_ylim(max(len(values), 1) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.locator_params(axis="x", nbins=4, integer=True)
    axes.grid(axis="x")
