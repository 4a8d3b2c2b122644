"""Lines by layer, which several figures draw, and what panels of other kinds share with them."""

import math
from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from shapebias.report.plotting.panels import (
    Network,
    Pairs,
    Panel,
    Unpaired,
    add_legend,
    grid,
    panels,
    set_title,
)
from shapebias.report.plotting.style import FAINT, style

# Beyond this many layers, names along an axis would overlap.
NAMED_LAYERS = 9
CHANCE = "chance: random or shuffled weights"
# Lines of what chance gives, by the kind of control.
BROKEN = {"random": "--", "shuffled": ":"}


def layer_lines(
    frame: pd.DataFrame,
    *,
    value: str,
    label: str,
    pairs: Pairs,
    unpaired: Unpaired,
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
    unpaired
        Networks of the study that are in no pair, in its order.
    means
        Value of each whole network, written at the panel's head; may be empty.
    numbered
        Whether layers are numbered from 1 and not named, where names are too long to read.
    chance
        Columns model, layer, control and the value, of randomised controls; drawn as broken lines.
    """
    with style():
        shown = panels(frame["model"], pairs, unpaired)
        figure, cells = grid(len(shown), height=2.2)
        for panel, (axes,) in zip(shown, cells, strict=True):
            _draw_lines(axes, frame, panel, value, numbered, chance)
            heads = {m: f"mean {value:#.3g}" for m, value in means.items()}
            set_title(axes, panel.title, pad=title_pad(panel, heads))
            annotate(axes, panel, heads)
            axes.set_xlabel("Convolution" if numbered else "Layer")
        for axes in first_column(cells):
            axes.set_ylabel(label)
        broken = [
            Line2D(
                [], [], color=FAINT, linestyle=BROKEN[control], label=f"chance: {control} weights"
            )
            for control in ([] if chance is None else chance["control"].unique())
        ]
        add_legend(figure, shown, broken)
        return figure


def first_column(cells: list[list[Axes]]) -> list[Axes]:
    """Axes at the left edge, which alone carry the label of a vertical axis."""
    return [axes for cell in cells for axes in cell if axes.get_subplotspec().is_first_col()]


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
        line = {"color": network.colour, "marker": network.mark, "markersize": 3.2}
        axes.plot(at, own[value], **line, clip_on=False)
        if "low" in own:
            axes.fill_between(at, own["low"], own["high"], color=network.colour, alpha=0.18, lw=0)
        if chance is not None:
            own = chance[chance["model"] == network.model]
            for control, means in own.groupby("control", sort=False):
                at = [layers.index(layer) for layer in means["layer"]]
                axes.plot(at, means[value], BROKEN[control], color=network.colour, linewidth=0.9)
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


def annotate(axes: Axes, panel: Panel, texts: Mapping[str, str]) -> None:
    """Write something on each of up to four networks above a panel."""
    for i, network in enumerate(_headed(panel, texts)):
        # Two a line, from either end.
        right, line = i % 2, i // 2
        axes.annotate(
            texts[network.model],
            (right, 1),
            (0, 3 + 9 * line),
            xycoords="axes fraction",
            textcoords="offset points",
            ha="right" if right else "left",
            color=network.colour,
            fontsize=7,
        )


def title_pad(panel: Panel, texts: Mapping[str, str]) -> int:
    """Points between a panel and its title, which stands above what `annotate` writes."""
    return 6 + 10 * -(-len(_headed(panel, texts)) // 2)


def _headed(panel: Panel, texts: Mapping[str, str]) -> list[Network]:
    return [network for network in panel.networks if network.model in texts][:4]
