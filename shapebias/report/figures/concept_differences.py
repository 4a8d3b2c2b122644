"""Concepts that more, or fewer, channels of a robust network detect than of its standard one."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from shapebias.report.plotting.category_bars import chance_handle, iou_range, mark_chance
from shapebias.report.plotting.panels import (
    Pairs,
    Panel,
    Unpaired,
    add_legend,
    grid,
    panels,
    set_title,
)
from shapebias.report.plotting.style import ROBUST, STANDARD, empty_figure, style
from shapebias.report.table_rows import nonempty

# Concepts shown with most more, and with most fewer, channels.
N_SHOWN = 8


def draw(
    *,
    dissection: pd.DataFrame,
    pairs: Pairs,
    unpaired: Unpaired,
    dissection_controls: pd.DataFrame | None = None,
    iou_cut: float = 0.0,
) -> Figure:
    """Draw the difference in channels by concept as bars, a panel for each pair.

    Networks in no pair have bars of their channels by concept instead.

    Parameters
    ----------
    dissection
        Table `dissection`.
    pairs
        Pair to its `standard` and `robust` network.
    unpaired
        Networks of the study that are in no pair, in its order.
    dissection_controls
        Table of that name; each randomised control is a mark across the bars.
    iou_cut
        Least IoU of a channel that counts; an IoU of 0 never counts.
    """
    if dissection.empty:
        return empty_figure("Channels are not dissected in this study.")
    trained = _counts(dissection, iou_cut)
    controls = nonempty(dissection_controls)
    groups = controls.groupby("control", sort=False) if controls is not None else ()
    chance = [_counts(rows, iou_cut) for _, rows in groups]
    with style():
        shown = [
            part
            for panel in panels(dissection["model"], pairs, unpaired)
            for part in _single_panels(panel)
        ]
        figure, cells = grid(len(shown), height=2.9)
        for panel, (axes,) in zip(shown, cells, strict=True):
            set_title(axes, panel.title)
            values = _values(trained, panel)
            if len(panel.networks) == 2:
                values = _largest(values)
                axes.axvline(0, color="#444444", linewidth=0.7)
                colours = [ROBUST if value > 0 else STANDARD for value in values]
                axes.set_xlabel(f"Channels with {iou_range(iou_cut)},\nrobust − standard")
            else:
                values = values[values > 0].nlargest(2 * N_SHOWN)
                colours = [panel.networks[0].colour] * len(values)
                axes.set_xlabel(f"Channels with {iou_range(iou_cut)}")
            _draw_bars(axes, values, colours)
            for counts in chance:
                by_chance = _values(counts, panel).reindex(values.index, fill_value=0)
                mark_chance(axes, by_chance, range(len(values)))
        add_legend(figure, shown, [chance_handle()] if chance else [])
        return figure


def _counts(rows: pd.DataFrame, iou_cut: float) -> pd.DataFrame:
    """Number of channels for each concept (index) and network (columns)."""
    counting = rows[(rows["iou"] > 0) & (rows["iou"] >= iou_cut)]
    counts = counting.groupby(["concept", "model"]).size().unstack(fill_value=0)
    return counts.reindex(columns=rows["model"].unique(), fill_value=0)


def _values(counts: pd.DataFrame, panel: Panel) -> pd.Series:
    """Channels by concept of a network; of a pair, robust less standard."""
    models = [network.model for network in panel.networks]
    counts = counts.reindex(columns=models, fill_value=0)
    first, last = counts[models[0]], counts[models[-1]]
    return last - first if len(models) == 2 else first


def _largest(difference: pd.Series) -> pd.Series:
    """Largest positive and negative differences, in descending order."""
    ordered = difference[difference != 0].sort_values(ascending=False, kind="stable")
    return pd.concat([ordered[ordered > 0].head(N_SHOWN), ordered[ordered < 0].tail(N_SHOWN)])


def _single_panels(panel: Panel) -> Sequence[Panel]:
    """The panel of a complete pair, or one panel for each network."""
    if len(panel.networks) == 2 and panel.pair:
        return [panel]
    return [Panel(network.model, (network,)) for network in panel.networks]


def _draw_bars(axes: Axes, values: pd.Series, colours: Sequence[str]) -> None:
    at = np.arange(len(values))
    axes.barh(at, values, color=colours, height=0.75)
    axes.set_yticks(at, values.index, fontsize=6.5)
    axes.set_ylim(max(len(values), 1) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.locator_params(axis="x", nbins=4, integer=True)
    axes.grid(axis="x")
