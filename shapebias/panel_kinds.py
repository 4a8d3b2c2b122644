"""Two kinds of panel that several figures draw: bars by category, and lines by layer."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from shapebias.drawing import FAINT, Pairs, Panel, grid, legend, look, panels

# Beyond this many layers, names along an axis would overlap.
NAMED_LAYERS = 9
CHANCE = "chance: random or shuffled weights"
MARK = "black"


def layer_lines(
    frame: pd.DataFrame,
    *,
    value: str,
    label: str,
    pairs: Pairs,
    means: Mapping[str, float],
    numbered: bool = False,
    chance: pd.DataFrame | None = None,
) -> Figure:
    """A value by layer, a line a network, a panel a pair.

    Parameters
    ----------
    frame
        Columns model, layer (in the network's order), the value, and where there is one its
        interval, `low` and `high`.
    value
        Column that is drawn.
    label
        Of its axis, with the unit.
    pairs
        Pair to its `standard` and `robust` network.
    means
        Value of each whole network, written at the panel's head; may be empty.
    numbered
        Whether layers are numbered from 1 and not named, where names are too long to read.
    chance
        Columns model, layer and the value, of what chance gives; drawn dashed.
    """
    with look():
        shown = panels(frame["model"], pairs)
        figure, cells = grid(len(shown), height=2.2)
        for panel, (axes,) in zip(shown, cells, strict=True):
            _draw_lines(axes, frame, panel, value, numbered, chance)
            axes.set_title(panel.title, pad=(16 + 9 * (len(panel.networks) > 2)) if means else 6)
            _write_means(axes, panel, means)
            axes.set_xlabel("Convolution" if numbered else "Layer")
        for axes in first_column(cells):
            axes.set_ylabel(label)
        dashed = Line2D([], [], color=FAINT, linestyle="--", label=CHANCE)
        legend(figure, shown, [] if chance is None else [dashed])
        return figure


def category_bars(
    frame: pd.DataFrame,
    *,
    rows: Mapping[str, tuple[str, pd.DataFrame]],
    pairs: Pairs,
    order: Sequence[str],
    chance: Mapping[str, pd.DataFrame] | None = None,
) -> Figure:
    """Bars by category, a bar a network, a column of panels a pair, a row a measure.

    Parameters
    ----------
    frame
        Every row to be drawn: it decides which networks have panels.
    rows
        Label of the horizontal axis to the column drawn, and the rows of `frame` that hold it.
    pairs
        Pair to its `standard` and `robust` network.
    order
        Categories from top to bottom.
    chance
        Label to rows of what chance gives, with the same columns, several a category; each is a
        mark across its network's bar.
    """
    with look():
        shown = panels(frame["model"], pairs)
        most = max(len(panel.networks) for panel in shown)
        height = 0.45 + len(order) * max(0.2, 0.11 * most)
        figure, cells = grid(len(shown), height=height, rows=len(rows))
        for panel, cell in zip(shown, cells, strict=True):
            cell[0].set_title(panel.title)
            for axes, (label, (column, part)) in zip(cell, rows.items(), strict=True):
                _draw_bars(axes, part, panel, column, order, (chance or {}).get(label))
                axes.set_xlabel(label)
        share_limits(cells)
        mark = Line2D([], [], color=MARK, marker="|", linestyle="none", label=CHANCE)
        legend(figure, shown, [mark] if chance else [])
        return figure


def first_column(cells: list[list[Axes]]) -> list[Axes]:
    """Axes at the left edge, which alone carry the label of a vertical axis."""
    return [axes for cell in cells for axes in cell if axes.get_subplotspec().is_first_col()]


def share_limits(cells: list[list[Axes]]) -> None:
    """Let the horizontal axis of a row be the same in every panel, so that lengths compare."""
    for row in zip(*cells, strict=True):
        most = max(axes.get_xlim()[1] for axes in row)
        for axes in row:
            axes.set_xlim(0, most)


def _draw_lines(
    axes: Axes,
    frame: pd.DataFrame,
    panel: Panel,
    value: str,
    numbered: bool,
    chance: pd.DataFrame | None,
) -> None:
    layers: list[str] = []
    for network in panel.networks:
        layers += frame.loc[frame["model"] == network.model, "layer"].tolist()
    layers = list(dict.fromkeys(layers))
    for network in panel.networks:
        own = frame[frame["model"] == network.model]
        at = [layers.index(layer) for layer in own["layer"]]
        axes.plot(at, own[value], "o-", color=network.colour, markersize=3.2, clip_on=False)
        if "low" in own:
            axes.fill_between(at, own["low"], own["high"], color=network.colour, alpha=0.18, lw=0)
        if chance is not None:
            twins = chance[chance["model"] == network.model]
            at = [layers.index(layer) for layer in twins["layer"]]
            axes.plot(at, twins[value], "--", color=network.colour, linewidth=0.9)
    axes.set_ylim(bottom=0)
    axes.set_xlim(-0.3, len(layers) - 0.7)
    axes.grid(axis="y")
    _name_layers(axes, [str(i + 1) for i in range(len(layers))] if numbered else layers)


def _name_layers(axes: Axes, layers: list[str]) -> None:
    step = math.ceil(len(layers) / NAMED_LAYERS)
    at = np.arange(0, len(layers), step)
    numbers = all(layer.isdigit() for layer in layers)
    # Inches at hand for the names, and needed at their size with a gap between.
    width = axes.figure.get_figwidth() / axes.get_subplotspec().get_gridspec().ncols - 0.5
    short = numbers or sum(len(layers[i]) + 2 for i in at) * 0.058 < width
    axes.set_xticks(
        at,
        [layers[i] for i in at],
        rotation=0 if short else 45,
        ha="center" if short else "right",
        rotation_mode="anchor",
        fontsize=6.5,
    )


def _write_means(axes: Axes, panel: Panel, means: Mapping[str, float]) -> None:
    known = [network for network in panel.networks if network.model in means]
    for i, network in enumerate(known[:4]):
        text = f"mean {means[network.model]:.3g}"
        # Two a line, from either end.
        right, line = i % 2, i // 2
        written = axes.text(
            right,
            1.03 + 0.09 * line,
            text,
            ha="right" if right else "left",
            transform=axes.transAxes,
            color=network.colour,
            fontsize=7,
        )
        # Otherwise a long text would narrow the axes below it.
        written.set_in_layout(False)


def _draw_bars(
    axes: Axes,
    part: pd.DataFrame,
    panel: Panel,
    column: str,
    order: Sequence[str],
    chance: pd.DataFrame | None,
) -> None:
    thickness = 0.8 / len(panel.networks)
    first, ends = None, pd.Series(0.0, index=order)
    for i, network in enumerate(panel.networks):
        own = part[part["model"] == network.model].set_index("category")[column].reindex(order)
        at = np.arange(len(order)) + (i - (len(panel.networks) - 1) / 2) * thickness
        axes.barh(at, own.fillna(0), height=thickness * 0.92, color=network.colour)
        if chance is not None:
            twins = chance[(chance["model"] == network.model) & chance["category"].isin(order)]
            rows = [at[list(order).index(category)] for category in twins["category"]]
            axes.plot(twins[column], rows, "|", color=MARK, markersize=5, markeredgewidth=0.9)
            ends = ends.combine(twins.groupby("category")[column].max(), max, 0)[order]
        if panel.pair and i == 1:
            _write_changes(axes, at - thickness / 2, first, own, ends)
        first = own if first is None else first
    axes.set_ylim(len(order) - 0.4, -0.6)
    # Room for what is written past the longest bar.
    axes.set_xlim(0, max(axes.get_xlim()[1] * 1.32, 1e-6))
    axes.set_yticks(range(len(order)), order)
    axes.tick_params(axis="y", length=0)
    axes.locator_params(axis="x", nbins=4)
    axes.grid(axis="x")
    if not axes.get_subplotspec().is_first_col():
        axes.tick_params(axis="y", labelleft=False)


def _write_changes(
    axes: Axes, at: np.ndarray, before: pd.Series, after: pd.Series, ends: pd.Series
) -> None:
    """Write the changes past the bars, and past what else is drawn up to `ends`."""
    for y, old, new, end in zip(at, before, after, ends, strict=True):
        if old > 0 and np.isfinite(new):
            change = f"{100 * (new / old - 1):+.0f} %".replace("-", "−")
            axes.annotate(
                change,
                (max(old, new, end), y),
                (3, 0),
                textcoords="offset points",
                va="center",
                fontsize=6.5,
            )
