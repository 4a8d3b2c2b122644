"""Concepts of which a robust network has more or fewer channels than its standard control."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from shapebias.report.plotting.category_bars import chance_mark, cut_of_iou, mark_chance
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

# Concepts shown at each end.
MOST = 8


def draw(
    *,
    dissection: pd.DataFrame,
    pairs: Pairs,
    unpaired: Unpaired,
    dissection_controls: pd.DataFrame | None = None,
    iou_cut: float = 0.0,
) -> Figure:
    """Bars of the difference in channels by concept, a panel a pair.

    Networks in no pair have bars of their channels by concept instead.

    Parameters
    ----------
    dissection
        Table `dissection`, one row a channel.
    pairs
        Pair to its `standard` and `robust` network.
    unpaired
        Networks of the study that are in no pair, in its order.
    dissection_controls
        Table of that name: channels of randomised networks, a mark for each kind of control.
    iou_cut
        Least IoU of a channel that counts; one that meets no concept never does.
    """
    if dissection.empty:
        return empty_figure("Units are not dissected in this study.")
    trained = _counts(dissection, iou_cut)
    controls = nonempty(dissection_controls)
    groups = controls.groupby("control", sort=False) if controls is not None else ()
    chance = [_counts(own, iou_cut) for _, own in groups]
    with style():
        shown = [
            part for panel in panels(dissection["model"], pairs, unpaired) for part in _parts(panel)
        ]
        figure, cells = grid(len(shown), height=2.9)
        for panel, (axes,) in zip(shown, cells, strict=True):
            set_title(axes, panel.title)
            values = _values(trained, panel)
            if len(panel.networks) == 2:
                values = _ends(values)
                axes.axvline(0, color="#444444", linewidth=0.7)
                colours = [ROBUST if value > 0 else STANDARD for value in values]
                axes.set_xlabel(f"Channels with {cut_of_iou(iou_cut)},\nrobust less standard")
            else:
                values = values[values > 0].nlargest(2 * MOST)
                colours = [panel.networks[0].colour] * len(values)
                axes.set_xlabel(f"Channels with {cut_of_iou(iou_cut)}")
            marks = [
                _values(counts, panel).reindex(values.index, fill_value=0) for counts in chance
            ]
            _draw(axes, values, colours, marks)
        add_legend(figure, [], [chance_mark()] if chance else [])
        return figure


def _counts(rows: pd.DataFrame, iou_cut: float) -> pd.DataFrame:
    """Channels by concept (down) and network (across)."""
    counting = rows[(rows["iou"] > 0) & (rows["iou"] >= iou_cut)]
    counts = counting.groupby(["concept", "model"]).size().unstack(fill_value=0)
    return counts.reindex(columns=rows["model"].unique(), fill_value=0)


def _values(counts: pd.DataFrame, panel: Panel) -> pd.Series:
    """Channels by concept: of a pair the robust network's less the standard one's."""
    models = [network.model for network in panel.networks]
    own = counts.reindex(columns=models, fill_value=0)
    return own[models[-1]] - own[models[0]] if len(models) == 2 else own[models[0]]


def _ends(difference: pd.Series) -> pd.Series:
    ordered = difference[difference != 0].sort_values(ascending=False, kind="stable")
    return pd.concat([ordered[ordered > 0].head(MOST), ordered[ordered < 0].tail(MOST)])


def _parts(panel: Panel) -> Sequence[Panel]:
    """A pair as it is; every other network in a panel of its own."""
    if len(panel.networks) == 2 and panel.pair:
        return [panel]
    return [Panel(network.model, (network,)) for network in panel.networks]


def _draw(
    axes: Axes, values: pd.Series, colours: Sequence[str], chance: Sequence[pd.Series]
) -> None:
    at = np.arange(len(values))
    axes.barh(at, values, color=colours, height=0.75)
    for marks in chance:
        mark_chance(axes, marks, at)
    axes.set_yticks(at, values.index, fontsize=6.5)
    axes.set_ylim(max(len(values), 1) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.locator_params(axis="x", nbins=4, integer=True)
    axes.grid(axis="x")
