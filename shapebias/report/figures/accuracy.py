"""Top-1 accuracy on every image set, standard against robust."""

from collections.abc import Sequence

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
    """Draw top-1 accuracy with intervals: a row for each image set, a panel for each pair.

    Parameters
    ----------
    accuracy
        Table `accuracy`. A pair is shown on the images that both of its networks label correctly,
        if the table has that selection. All images count on the clean set, where the selection
        would give 100 %, and for networks in no pair.
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
        names = [f"{label(s)}\n(clean, all images)" if s == clean else label(s) for s in sets]
        figure, cells = grid(len(shown), height=0.55 + 0.24 * len(sets))
        for panel, (axes,) in zip(shown, cells, strict=True):
            rows = accuracy_rows(accuracy, panel.pair, clean)
            _draw_points(axes, rows, panel, sets)
            on_all = panel.pair is not None and (rows["selection"] == "all").all()
            set_title(axes, panel.title + (" (all images)" if on_all else ""))
            if clean in sets:
                axes.axhline(0.5, color=FAINT, lw=0.6)
            if axes.get_subplotspec().is_first_col():
                axes.set_yticks(range(len(sets)), names)
            axes.set_xlabel("Top-1 accuracy (%)")
        add_legend(figure, shown)
        return figure


def _draw_points(axes: Axes, rows: pd.DataFrame, panel: Panel, sets: Sequence[str]) -> None:
    n = len(panel.networks)
    shifts = np.linspace(-0.17, 0.17, n) if n > 1 else [0.0]
    for shift, network in zip(shifts, panel.networks, strict=True):
        of_network = rows[rows["model"] == network.model].set_index("image_set")
        at = np.array([sets.index(name) for name in of_network.index]) + shift
        low, high = 100 * of_network["top1_low"], 100 * of_network["top1_high"]
        axes.hlines(at, low, high, color=network.colour, lw=1.2)
        point = {"color": network.colour, "clip_on": False, "zorder": 3}
        axes.plot(100 * of_network["top1"], at, network.marker, **point)
    axes.set_xlim(0, 100)
    axes.set_xticks(range(0, 101, 25))
    axes.set_ylim(len(sets) - 0.5, -0.5)
    axes.set_yticks(range(len(sets)), [""] * len(sets))
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="both")
