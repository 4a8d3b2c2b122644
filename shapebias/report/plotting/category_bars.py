"""Bars by category, which several figures draw: a row a measure, a column a pair."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from shapebias.report.plotting.layer_lines import CHANCE, annotate, title_pad
from shapebias.report.plotting.panels import (
    Pairs,
    Panel,
    Unpaired,
    add_legend,
    grid,
    panels,
    set_title,
)
from shapebias.report.plotting.style import style

# Of whiskers, and of what chance gives.
MARK = "black"


@dataclass(frozen=True)
class Bars:
    """One row of panels with bars by category.

    Parameters
    ----------
    frame
        Columns model, category, `value` (the bar), `number` (written beside it) and, where there
        is one, its interval, `low` and `high`.
    chance
        Columns model, category and `value` of what chance gives, several a category; each is a
        mark across its network's bar.
    heads
        Network to what is written above its panel.
    """

    frame: pd.DataFrame
    chance: pd.DataFrame | None = None
    heads: Mapping[str, str] = field(default_factory=dict)


def category_bars(
    rows: Mapping[str, Bars],
    *,
    pairs: Pairs,
    unpaired: Unpaired,
    order: Sequence[str],
    counted: str = "",
) -> Figure:
    """Bars by category, a bar a network, a column of panels a pair, a row a measure.

    Parameters
    ----------
    rows
        Label of the horizontal axis to the bars; the first decides which networks have panels.
    pairs
        Pair to its `standard` and `robust` network.
    unpaired
        Networks of the study that are in no pair, in its order.
    order
        Categories from top to bottom.
    counted
        What the legend says of the channels that count, where the axes do not.
    """
    with style():
        shown = panels(next(iter(rows.values())).frame["model"], pairs, unpaired)
        most = max(len(panel.networks) for panel in shown)
        height = 0.5 + len(order) * max(0.2, 0.13 * most)
        figure, cells = grid(len(shown), height=height, rows=len(rows))
        for panel, cell in zip(shown, cells, strict=True):
            set_title(cell[0], panel.title, pad=title_pad(panel, next(iter(rows.values())).heads))
            for axes, (label, bars) in zip(cell, rows.items(), strict=True):
                _draw_bars(axes, bars, panel, order)
                annotate(axes, panel, bars.heads)
                axes.set_xlabel(label)
        share_limits(cells)
        has_chance = any(bars.chance is not None for bars in rows.values())
        said = [Line2D([], [], linestyle="none", label=counted)] if counted else []
        add_legend(figure, shown, [*([chance_mark()] if has_chance else []), *said])
        return figure


def chance_mark() -> Line2D:
    """Entry of a legend for what `mark_chance` draws."""
    return Line2D([], [], color=MARK, marker="|", linestyle="none", label=CHANCE)


def mark_chance(axes: Axes, values: Sequence[float], at: Sequence[float]) -> None:
    """Draw across bars at some heights what chance gives."""
    axes.plot(values, at, "|", color=MARK, markersize=5, markeredgewidth=0.9)


def cut_of_iou(cut: float) -> str:
    """How an axis names the channels that count; one that meets no concept never does."""
    return f"IoU ≥ {cut:g}" if cut > 0 else "IoU > 0"


def share_limits(cells: list[list[Axes]]) -> None:
    """Let the horizontal axis of a row be the same in every panel, so that lengths compare."""
    for row in zip(*cells, strict=True):
        most = max(axes.get_xlim()[1] for axes in row)
        for axes in row:
            axes.set_xlim(0, most)


def _draw_bars(axes: Axes, bars: Bars, panel: Panel, order: Sequence[str]) -> None:
    thickness, longest = 0.8 / len(panel.networks), 0.0
    for i, network in enumerate(panel.networks):
        own = bars.frame[bars.frame["model"] == network.model].set_index("category").reindex(order)
        at = np.arange(len(order)) + (i - (len(panel.networks) - 1) / 2) * thickness
        axes.barh(at, own["value"].fillna(0), height=thickness * 0.92, color=network.colour)
        if "low" in own:
            axes.hlines(at, own["low"], own["high"], color=MARK, linewidth=0.8)
        longest = max(longest, own["value"].max(), _longest_whisker(own))
        if bars.chance is not None:
            controls = bars.chance[bars.chance["model"] == network.model]
            controls = controls[controls["category"].isin(order)]
            rows = [at[list(order).index(category)] for category in controls["category"]]
            mark_chance(axes, controls["value"], rows)
            longest = max(longest, controls["value"].max())
        _write_numbers(axes, at, own["number"].fillna(0), network.colour)
    axes.set_ylim(len(order) - 0.4, -0.6)
    # Room for the numbers right of the longest bar.
    axes.set_xlim(0, max(np.nan_to_num(longest) * 1.2, 1e-6))
    axes.set_yticks(range(len(order)), order)
    axes.tick_params(axis="y", length=0)
    axes.locator_params(axis="x", nbins=4)
    axes.grid(axis="x")
    if not axes.get_subplotspec().is_first_col():
        axes.tick_params(axis="y", labelleft=False)


def _longest_whisker(own: pd.DataFrame) -> float:
    """End of the longest whisker but for those that would dwarf the bars; these leave the panel."""
    if "high" not in own:
        return 0.0
    return float(own["high"].where(own["high"] <= 2 * own["value"].max()).fillna(0).max())


def _write_numbers(axes: Axes, at: np.ndarray, numbers: pd.Series, colour: str) -> None:
    """Write each bar's number at the right edge, one below the other."""
    for y, number in zip(at, numbers, strict=True):
        where = axes.get_yaxis_transform()
        size = {"ha": "right", "va": "center", "fontsize": 6}
        # A whisker that leaves the panel ends before its number.
        box = {"facecolor": "white", "edgecolor": "none", "pad": 0.4}
        axes.text(0.995, y, f"{number:.0f}", transform=where, color=colour, bbox=box, **size)
