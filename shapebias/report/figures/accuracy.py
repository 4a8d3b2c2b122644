"""Accuracy on every image set, standard against robust, pair by pair."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from shapebias.report.plotting.panels import (
    Pairs,
    Panel,
    Unpaired,
    add_legend,
    grid,
    panels,
    set_title,
)
from shapebias.report.plotting.style import FAINT, empty_figure, label, style
from shapebias.report.table_rows import accuracy_rows


def draw(
    *, accuracy: pd.DataFrame, pairs: Pairs, unpaired: Unpaired, clean: str | None = None
) -> Figure:
    """Points of top-1 accuracy with their intervals, one row an image set, one panel a pair.

    Parameters
    ----------
    accuracy
        Table `accuracy`. A pair's networks are shown on the images that both label correctly
        where the table has that selection, on all images otherwise; so are networks in no pair,
        and everyone on the clean set, where the selection would only say 100 %.
    pairs
        Pair to its `standard` and `robust` network.
    unpaired
        Networks of the study that are in no pair, in its order.
    clean
        Name of the clean image set.
    """
    if accuracy.empty:
        return empty_figure("Accuracy is not measured in this study.")
    with style():
        shown = panels(accuracy["model"], pairs, unpaired)
        sets = list(dict.fromkeys(accuracy["image_set"]))
        sets.sort(key=lambda name: name != clean)
        figure, cells = grid(len(shown), height=0.55 + 0.24 * len(sets))
        for panel, (axes,) in zip(shown, cells, strict=True):
            rows = accuracy_rows(accuracy, panel.pair, clean)
            _draw_points(axes, rows, panel, sets)
            set_title(axes, _title(panel, rows))
            if clean in sets:
                axes.axhline(0.5, color=FAINT, lw=0.6)
            if axes.get_subplotspec().is_first_col():
                axes.set_yticks(range(len(sets)), [_named(name, clean) for name in sets])
            axes.set_xlabel("Top-1 accuracy (%)")
        add_legend(figure, shown)
        return figure


def _draw_points(axes: Axes, rows: pd.DataFrame, panel: Panel, sets: list[str]) -> None:
    spread = 0.34 * np.linspace(-0.5, 0.5, len(panel.networks)) if len(panel.networks) > 1 else [0]
    for shift, network in zip(spread, panel.networks, strict=True):
        own = rows[rows["model"] == network.model].set_index("image_set")
        at = np.array([sets.index(name) for name in own.index]) + shift
        axes.hlines(at, 100 * own["top1_low"], 100 * own["top1_high"], color=network.colour, lw=1.2)
        axes.plot(
            100 * own["top1"], at, network.mark, color=network.colour, clip_on=False, zorder=3
        )
    axes.set_xlim(0, 100)
    axes.set_xticks(range(0, 101, 25))
    axes.set_ylim(len(sets) - 0.5, -0.5)
    axes.set_yticks(range(len(sets)), [""] * len(sets))
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="both")


def _title(panel: Panel, rows: pd.DataFrame) -> str:
    chosen = rows["selection"] != "all"
    suffix = "" if chosen.any() or panel.pair is None else " (all images)"
    return panel.title + suffix


def _named(name: str, clean: str | None) -> str:
    return f"{label(name)}\n(clean, all images)" if name == clean else label(name)
