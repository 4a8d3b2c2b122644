"""Bars by category: one row of panels for each measure, one column for each pair."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from jaxtyping import Float
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

# Colour of intervals, and of marks at chance.
INTERVAL_COLOUR = "black"


@dataclass(frozen=True)
class Bars:
    """One row of panels with bars by category.

    Parameters
    ----------
    frame
        Columns model, category, `value` (the bar), `number` (written beside it) and, if measured,
        its interval, `low` and `high`.
    chance
        Columns model, category and `value` of randomised controls, several for each category;
        each is a mark across the bar of its network.
    annotations
        Network to the text above its panel.
    """

    frame: pd.DataFrame
    chance: pd.DataFrame | None = None
    annotations: Mapping[str, str] = field(default_factory=dict)


def category_bars(
    rows: Mapping[str, Bars],
    *,
    pairs: Pairs,
    unpaired: Unpaired,
    order: Sequence[str],
    note: str = "",
) -> Figure:
    """Draw bars by category: a bar for each network, a column of panels for each pair.

    Parameters
    ----------
    rows
        Label of the horizontal axis to the bars; the first row decides which networks have panels.
    pairs
        Pair to its `standard` and `robust` network.
    unpaired
        Networks of the study that are in no pair, in its order.
    order
        Categories from top to bottom.
    note
        Text in the legend.
    """
    with style():
        first = next(iter(rows.values()))
        shown = panels(first.frame["model"], pairs, unpaired)
        most = max(len(panel.networks) for panel in shown)
        height = 0.5 + len(order) * max(0.2, 0.13 * most)
        figure, cells = grid(len(shown), height=height, rows=len(rows))
        for panel, cell in zip(shown, cells, strict=True):
            set_title(cell[0], panel.title, pad=title_pad(panel, first.annotations))
            for axes, (label, bars) in zip(cell, rows.items(), strict=True):
                _draw_panel(axes, bars, panel, order)
                annotate(axes, panel, bars.annotations)
                axes.set_xlabel(label)
        share_limits(cells)
        has_chance = any(bars.chance is not None for bars in rows.values())
        handles = [chance_handle()] if has_chance else []
        handles += [Line2D([], [], linestyle="none", label=note)] if note else []
        add_legend(figure, shown, handles)
        return figure


def chance_handle() -> Line2D:
    """Entry of a legend for the marks of `mark_chance`."""
    return Line2D([], [], color=INTERVAL_COLOUR, marker="|", linestyle="none", label=CHANCE)


def mark_chance(
    axes: Axes, values: pd.Series, at: Sequence[float] | Float[np.ndarray, "_"]
) -> None:
    """Mark values of randomised controls across the bars at some heights."""
    axes.plot(values, at, "|", color=INTERVAL_COLOUR, markersize=5, markeredgewidth=0.9)


def iou_range(cut: float) -> str:
    """Write the IoU from which channels are counted; an IoU of 0 never counts.

    Examples
    --------
    >>> iou_range(0.04), iou_range(0)
    ('IoU ≥ 0.04', 'IoU > 0')
    """
    return f"IoU ≥ {cut:g}" if cut > 0 else "IoU > 0"


def share_limits(cells: Sequence[Sequence[Axes]]) -> None:
    """Give all panels of a row the same horizontal axis, so that lengths compare."""
    for row in zip(*cells, strict=True):
        most = max(axes.get_xlim()[1] for axes in row)
        for axes in row:
            axes.set_xlim(0, most)


def _draw_panel(axes: Axes, bars: Bars, panel: Panel, order: Sequence[str]) -> None:
    thickness, longest = 0.8 / len(panel.networks), 0.0
    for i, network in enumerate(panel.networks):
        rows = bars.frame[bars.frame["model"] == network.model]
        rows = rows.set_index("category").reindex(order)
        at = np.arange(len(order)) + (i - (len(panel.networks) - 1) / 2) * thickness
        axes.barh(at, rows["value"].fillna(0), height=thickness * 0.92, color=network.colour)
        if "low" in rows:
            axes.hlines(at, rows["low"], rows["high"], color=INTERVAL_COLOUR, linewidth=0.8)
        longest = max(longest, rows["value"].max(), _longest_interval(rows))
        if bars.chance is not None:
            controls = bars.chance[bars.chance["model"] == network.model]
            controls = controls[controls["category"].isin(order)]
            heights = [at[list(order).index(category)] for category in controls["category"]]
            mark_chance(axes, controls["value"], heights)
            longest = max(longest, controls["value"].max())
        _write_numbers(axes, at, rows["number"].fillna(0), network.colour)
    axes.set_ylim(len(order) - 0.4, -0.6)
    # Space for the numbers right of the longest bar.
    axes.set_xlim(0, max(np.nan_to_num(longest) * 1.2, 1e-6))
    axes.set_yticks(range(len(order)), order)
    axes.tick_params(axis="y", length=0)
    axes.locator_params(axis="x", nbins=4)
    axes.grid(axis="x")
    if not axes.get_subplotspec().is_first_col():
        axes.tick_params(axis="y", labelleft=False)


def _longest_interval(rows: pd.DataFrame) -> float:
    """Highest upper end of the intervals, but for those that would dwarf the bars."""
    if "high" not in rows:
        return 0.0
    return float(rows["high"].where(rows["high"] <= 2 * rows["value"].max()).fillna(0).max())


def _write_numbers(
    axes: Axes, at: Float[np.ndarray, " category"], numbers: pd.Series, colour: str
) -> None:
    """Write the number of each bar at the right edge."""
    for y, number in zip(at, numbers, strict=True):
        place = axes.get_yaxis_transform()
        font = {"ha": "right", "va": "center", "fontsize": 6}
        # An interval that leaves the panel ends before the number.
        box = {"facecolor": "white", "edgecolor": "none", "pad": 0.4}
        axes.text(0.995, y, f"{number:.0f}", transform=place, color=colour, bbox=box, **font)
