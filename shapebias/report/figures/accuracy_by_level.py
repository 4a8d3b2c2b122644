"""Top-1 accuracy against one setting of a transform, such as its level of saturation."""

from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from shapebias.report.plotting.layer_lines import first_column
from shapebias.report.plotting.panels import (
    Network,
    Pairs,
    Unpaired,
    add_legend,
    grid,
    n_columns,
    panels,
    set_title,
)
from shapebias.report.plotting.style import empty_figure, label, style
from shapebias.report.table_rows import accuracy_rows


def draw(
    *,
    accuracy: pd.DataFrame,
    pairs: Pairs,
    unpaired: Unpaired,
    curves: list[dict[str, Any]],
    clean: str | None = None,
) -> Figure:
    """Draw top-1 accuracy with intervals as lines: a panel for each pair and family of image sets.

    Parameters
    ----------
    accuracy
        Table `accuracy`; its rows are selected as in the figure `accuracy`.
    pairs
        Pair to its `standard` and `robust` network.
    unpaired
        Networks of the study that are in no pair, in its order.
    curves
        Families of image sets: `title`, `setting`, and `levels` (image set to its level).
    clean
        Name of the clean image set; its accuracy over all images is a point left of the lines.
    """
    if accuracy.empty or not curves:
        return empty_figure("Accuracy is not measured at several levels in this study.")
    with style():
        shown = panels(accuracy["model"], pairs, unpaired)
        drawn = [(curve, panel) for curve in curves for panel in shown]
        figure, cells = grid(len(drawn), height=1.7, across=n_columns(len(shown)))
        for (curve, panel), (axes,) in zip(drawn, cells, strict=True):
            rows = accuracy_rows(accuracy, panel.pair, clean)
            for network in panel.networks:
                of_network = rows[rows["model"] == network.model].set_index("image_set")
                _draw_line(axes, of_network, list(curve["levels"]), clean, network)
            _scale(axes, curve, clean)
            set_title(axes, panel.title)
        for axes in first_column(cells):
            axes.set_ylabel("Top-1 accuracy (%)")
        add_legend(figure, shown)
        return figure


def _draw_line(
    axes: Axes, rows: pd.DataFrame, sets: list[str], clean: str | None, network: Network
) -> None:
    at_levels = rows.reindex(sets)
    at = range(1, len(sets) + 1)
    low, high = 100 * at_levels["top1_low"], 100 * at_levels["top1_high"]
    axes.fill_between(at, low, high, color=network.colour, alpha=0.12, lw=0)
    line = {"color": network.colour, "marker": network.marker, "markersize": 3.2}
    axes.plot(at, 100 * at_levels["top1"], **line)
    if clean in rows.index:
        axes.plot([0], [100 * rows.loc[clean, "top1"]], **line)


def _scale(axes: Axes, curve: dict[str, Any], clean: str | None) -> None:
    levels = [f"{level:g}".replace("inf", "∞") for level in curve["levels"].values()]
    names = ["clean" if clean else "", *levels]
    slanted = {"rotation": 45, "rotation_mode": "anchor", "ha": "right"} if len(names) > 5 else {}
    axes.set_xticks(range(len(names)), names, fontsize=6.5, **slanted)
    axes.set_xlim(-0.4 if clean else 0.6, len(levels) + 0.4)
    axes.set_ylim(0, 102)
    axes.set_xlabel(label(f"{curve['title']}: {curve['setting']}"))
    axes.grid(axis="y")
