"""Accuracy against the level of one setting of a transform, as of saturation or of patches."""

from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from shapebias.drawing import OTHERS, PAGE, ROBUST, STANDARD, Pairs, grid, look, note, panels, words
from shapebias.panel_kinds import first_column

COLOURS = (STANDARD, ROBUST, *OTHERS)
# The colours go round: a line's kind tells networks of one colour apart.
STYLES = ("o-", "s--", "^:", "D-.")
# Inches that a letter of the legend takes, and letters that the mark beside a name does.
LETTER, MARK = 0.065, 7


def draw(
    *,
    accuracy: pd.DataFrame,
    pairs: Pairs,
    curves: list[dict[str, Any]],
    clean: str | None = None,
) -> Figure:
    """Lines of top-1 accuracy over all images, with intervals; a panel a family of image sets.

    Parameters
    ----------
    accuracy
        Table `accuracy`.
    pairs
        Pair to its `standard` and `robust` network; they come first.
    curves
        Families of image sets: `title`, `setting`, and `levels` (image set to its level).
    clean
        Name of the clean image set, whose accuracy stands at the left, apart from the lines.
    """
    everything = accuracy[accuracy["selection"] == "all"]
    if everything.empty or not curves:
        return note("Accuracy is not measured at several levels in this study.")
    with look():
        shown = panels(everything["model"], pairs)
        models = list(dict.fromkeys(n.model for panel in shown for n in panel.networks))
        lines = {model: _line(i) for i, model in enumerate(models)}
        figure, cells = grid(len(curves), height=2.0, across=min(len(curves), 2))
        for curve, (axes,) in zip(curves, cells, strict=True):
            for model, line in lines.items():
                own = everything[everything["model"] == model].set_index("image_set")
                _draw_line(axes, own, list(curve["levels"]), clean, line)
            _lay_out(axes, curve, clean)
        for axes in first_column(cells):
            axes.set_ylabel("Top-1 accuracy (%)")
        _name_lines(figure, lines)
        return figure


def _line(i: int) -> dict[str, Any]:
    style = STYLES[i // len(COLOURS) % len(STYLES)]
    return {"color": COLOURS[i % len(COLOURS)], "marker": style[0], "linestyle": style[1:]}


def _draw_line(
    axes: Axes, own: pd.DataFrame, sets: list[str], clean: str | None, line: dict[str, Any]
) -> None:
    rows = own.reindex(sets)
    at = range(1, len(sets) + 1)
    low, high = 100 * rows["top1_low"], 100 * rows["top1_high"]
    axes.fill_between(at, low, high, color=line["color"], alpha=0.12, lw=0)
    axes.plot(at, 100 * rows["top1"], **line, markersize=3.2)
    if clean in own.index:
        axes.plot([0], [100 * own.loc[clean, "top1"]], **line, markersize=3.2)


def _lay_out(axes: Axes, curve: dict[str, Any], clean: str | None) -> None:
    levels = [f"{level:g}".replace("inf", "∞") for level in curve["levels"].values()]
    axes.set_xticks(range(len(levels) + 1), ["clean" if clean else "", *levels], fontsize=6.5)
    axes.set_xlim(-0.4 if clean else 0.6, len(levels) + 0.4)
    axes.set_ylim(0, 102)
    axes.set_title(words(curve["title"]))
    axes.set_xlabel(words(curve["setting"]))
    axes.grid(axis="y")


def _name_lines(figure: Figure, lines: dict[str, dict[str, Any]]) -> None:
    room = min(PAGE, figure.get_figwidth()) / LETTER
    across = max(1, int(room // (max(map(len, lines)) + MARK)))
    handles = [Line2D([], [], **line, label=model) for model, line in lines.items()]
    figure.legend(handles=handles, loc="outside upper left", ncols=min(across, len(lines)))
