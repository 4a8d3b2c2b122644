"""Concepts with the largest loss of accuracy when all of their channels are ablated."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from shapebias.report.plotting.category_bars import INTERVAL_COLOUR, iou_range, mark_chance
from shapebias.report.plotting.panels import (
    Network,
    Pairs,
    Unpaired,
    add_legend,
    grid,
    panels,
    place_legend,
    set_title,
)
from shapebias.report.plotting.style import empty_figure, style

N_SHOWN = 10
# Lost decisions: column, column of all decisions, marker, the same as a letter, label.
MARKERS = (
    ("shape_score", "n_shape", "o", "○", "shape decisions"),
    ("texture_score", "n_texture", "^", "△", "texture decisions"),
)
MARKER_COLOUR = "#222222"


def draw(
    *, ablation_by_concept: pd.DataFrame, pairs: Pairs, unpaired: Unpaired, iou_cut: float
) -> Figure:
    """Draw the accuracy lost without the channels of a concept as bars, a panel for each network.

    A mark across each bar is the loss without equally many random channels, if measured.

    Parameters
    ----------
    ablation_by_concept
        Table `ablation_by_concept`.
    pairs
        Pair to its `standard` and `robust` network.
    unpaired
        Networks of the study that are in no pair, in its order.
    iou_cut
        Least IoU at which a channel was taken to detect its concept.
    """
    table = largest_losses(ablation_by_concept)
    if table.empty:
        return empty_figure("No channel detects a concept in this study.")
    with style():
        shown = panels(table["model"], pairs, unpaired)
        n_rows = max(len(panel.networks) for panel in shown)
        most = int(table.groupby("model").size().max())
        figure, cells = grid(len(shown), height=0.8 + 0.17 * most, rows=n_rows)
        for panel, cell in zip(shown, cells, strict=True):
            for axes in cell[len(panel.networks) :]:
                axes.remove()
            for axes, network in zip(cell, panel.networks, strict=False):
                rows = table[table["model"] == network.model]
                _draw_network(axes, rows, network, most)
                set_title(axes, network.model, pad=15)
                _write_decisions(axes, rows)
            cell[len(panel.networks) - 1].set_xlabel("Lost (%)")
        add_legend(figure, shown)
        _add_marker_legend(figure, iou_cut, int(table["n_draws"].max()))
        return figure


def largest_losses(table: pd.DataFrame) -> pd.DataFrame:
    """Single concepts ablated in all layers, those with the largest loss of each network first.

    Returns
    -------
    Rows of `table` with `lost` and `random_lost`, the loss of accuracy in percentage points
    without the concept's channels, and without random channels.
    """
    concepts = table[
        (table["mode"] == "zero") & (table["layer"] == "all") & (table["concept"] != "all")
    ]
    before = concepts["accuracy_before"]
    concepts = concepts.assign(
        lost=100 * (before - concepts["accuracy_after"]),
        random_lost=100 * (before - concepts["random_accuracy"]),
    )
    concepts = concepts.sort_values("lost", ascending=False, kind="stable")
    return concepts.groupby("model", sort=False).head(N_SHOWN)


def _draw_network(axes: Axes, rows: pd.DataFrame, network: Network, most: int) -> None:
    at = range(len(rows))
    axes.barh(at, rows["lost"], height=0.7, color=network.colour)
    mark_chance(axes, rows["random_lost"], at)
    spread = 100 * rows["random_accuracy_sd"]
    low, high = rows["random_lost"] - spread, rows["random_lost"] + spread
    axes.hlines(at, low, high, color=INTERVAL_COLOUR, linewidth=0.8)
    for column, total, marker, *_ in MARKERS:
        # Without decisions there is no share.
        share = 100 * rows[column] / rows[total].where(rows[total] > 0)
        points = {"color": MARKER_COLOUR, "markersize": 3.2, "fillstyle": "none"}
        (line,) = axes.plot(share, at, marker, clip_on=False, **points)
        # Markers at 0 and 100 % extend beyond the axes, which need not shrink for them.
        line.set_in_layout(False)
    names = [f"{c} ({n})" for c, n in zip(rows["concept"], rows["n_channels"], strict=True)]
    axes.set_yticks(at, names)
    axes.set_ylim(most - 0.4, -0.6)
    left = min(rows["lost"].min(), np.nanmin([0.0, *low]))
    axes.set_xlim(left * 1.05, 100)
    axes.tick_params(axis="y", length=0, labelsize=6.5)
    axes.grid(axis="x")


def _write_decisions(axes: Axes, rows: pd.DataFrame) -> None:
    """Write above a panel the number of decisions by each cue."""
    counts = [f"{letter} of {rows[total].iloc[0]:,}" for _, total, _, letter, _ in MARKERS]
    above = {"xycoords": "axes fraction", "textcoords": "offset points"}
    axes.annotate("   ".join(counts), (0, 1), (0, 4), fontsize=6.5, color=MARKER_COLOUR, **above)


def _add_marker_legend(figure: Figure, iou_cut: float, n_draws: int) -> None:
    """Explain markers, numbers in brackets and random channels below the panels."""
    style = {"color": MARKER_COLOUR, "linestyle": "none", "fillstyle": "none"}
    handles = [
        Line2D([], [], marker=marker, label=text, **style) for *_, marker, _, text in MARKERS
    ]
    counted = f"(n): channels with {iou_range(iou_cut)}"
    handles.append(Line2D([], [], linestyle="none", label=counted))
    if n_draws:
        text = f"equally many random channels (mean ± sd of {n_draws})"
        mark = {"color": INTERVAL_COLOUR, "marker": "|", "linestyle": "-"}
        handles.append(Line2D([], [], label=text, **mark))
    place_legend(figure, handles, "outside lower left")
