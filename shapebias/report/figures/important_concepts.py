"""Concepts whose channels the networks can least do without."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from shapebias.report.plotting.category_bars import MARK, cut_of_iou, mark_chance
from shapebias.report.plotting.panels import (
    Network,
    Pairs,
    Unpaired,
    add_legend,
    explain,
    grid,
    panels,
    set_title,
)
from shapebias.report.plotting.style import empty_figure, style

SHOWN = 10
# How the losses of decisions are marked: column, its total, mark, the same as a letter, what the
# legend says.
MARKS = (
    ("shape_score", "n_shape", "o", "○", "shape decisions"),
    ("texture_score", "n_texture", "^", "△", "texture decisions"),
)
INK = "#222222"


def draw(
    *, ablation_by_concept: pd.DataFrame, pairs: Pairs, unpaired: Unpaired, iou_cut: float
) -> Figure:
    """Bars of the accuracy that each network loses without a concept's channels.

    Across each bar stands what as many random channels of the same layers cost, where the study
    silenced some.

    Parameters
    ----------
    ablation_by_concept
        Table `ablation_by_concept`.
    pairs
        Pair to its `standard` and `robust` network.
    unpaired
        Networks of the study that are in no pair, in its order.
    iou_cut
        Least IoU at which the study took a channel to detect its concept.
    """
    table = ranked(ablation_by_concept)
    if table.empty:
        return empty_figure("No channel detects a concept in this study.")
    with style():
        shown = panels(table["model"], pairs, unpaired)
        rows = max(len(panel.networks) for panel in shown)
        most = table.groupby("model").size().max()
        figure, cells = grid(len(shown), height=0.8 + 0.17 * most, rows=rows)
        for panel, cell in zip(shown, cells, strict=True):
            for axes in cell[len(panel.networks) :]:
                axes.remove()
            for axes, network in zip(cell, panel.networks, strict=False):
                own = table[table["model"] == network.model]
                _draw(axes, own, network, most)
                set_title(axes, network.model, pad=15)
                _write_decisions(axes, own)
            cell[len(panel.networks) - 1].set_xlabel("Lost (%)")
        add_legend(figure, shown)
        _explain(figure, iou_cut, int(table["n_draws"].max()))
        return figure


def ranked(table: pd.DataFrame) -> pd.DataFrame:
    """Single concepts silenced in all layers, those of the largest loss first."""
    chosen = table[
        (table["mode"] == "zero") & (table["layer"] == "all") & (table["concept"] != "all")
    ]
    lost, by_chance = (
        100 * (chosen["accuracy_before"] - chosen[after])
        for after in ("accuracy_after", "random_accuracy")
    )
    chosen = chosen.assign(lost=lost, by_chance=by_chance)
    chosen = chosen.sort_values("lost", ascending=False, kind="stable")
    return chosen.groupby("model", sort=False).head(SHOWN)


def _draw(axes: Axes, own: pd.DataFrame, network: Network, most: int) -> None:
    at = range(len(own))
    axes.barh(at, own["lost"], height=0.7, color=network.colour)
    mark_chance(axes, own["by_chance"], at)
    spread = 100 * own["random_accuracy_sd"]
    axes.hlines(at, own["by_chance"] - spread, own["by_chance"] + spread, color=MARK, linewidth=0.8)
    for column, total, mark, *_ in MARKS:
        # Where nothing was decided so, there is no share.
        share = 100 * own[column] / own[total].where(own[total] > 0)
        marks = {"color": INK, "markersize": 3.2, "fillstyle": "none", "clip_on": False}
        (drawn,) = axes.plot(share, at, mark, **marks)
        # Marks at 0 and 100 % stick out; the axes need not shrink for them.
        drawn.set_in_layout(False)
    axes.set_yticks(
        at, [f"{c} ({n})" for c, n in zip(own["concept"], own["n_channels"], strict=True)]
    )
    axes.set_ylim(most - 0.4, -0.6)
    least = min(own["lost"].min(), np.nanmin([0.0, *(own["by_chance"] - spread)]))
    axes.set_xlim(least * 1.05, 100)
    axes.tick_params(axis="y", length=0, labelsize=6.5)
    axes.grid(axis="x")


def _write_decisions(axes: Axes, own: pd.DataFrame) -> None:
    """Write above a panel how many decisions of either kind could be lost."""
    counts = [f"{sign} of {own[total].iloc[0]:,}" for _, total, _, sign, _ in MARKS]
    above = {"xycoords": "axes fraction", "textcoords": "offset points"}
    axes.annotate("   ".join(counts), (0, 1), (0, 4), fontsize=6.5, color=INK, **above)


def _explain(figure: Figure, iou_cut: float, draws: int) -> None:
    handles = [
        Line2D([], [], color=INK, marker=mark, linestyle="none", fillstyle="none", label=label)
        for _, _, mark, _, label in MARKS
    ]
    counted = f"(n): channels with {cut_of_iou(iou_cut)}"
    handles.append(Line2D([], [], linestyle="none", label=counted))
    if draws:
        drawn = f"as many random channels (mean ± sd of {draws})"
        handles.append(Line2D([], [], color=MARK, marker="|", linestyle="-", label=drawn))
    explain(figure, handles, "outside lower left")
