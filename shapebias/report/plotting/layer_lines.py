"""Lines by layer, and annotations above panels."""

import math
from collections.abc import Mapping, Sequence

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

# Names of more layers would overlap along an axis.
MAX_NAMED_LAYERS = 9
# Label of networks with random or shuffled weights.
CHANCE = "chance: random or shuffled weights"
# Line styles of randomised controls.
CONTROL_STYLES = {"random": "--", "shuffled": ":"}


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
    """Draw a value by layer: one line for each network, one panel for each pair.

    Parameters
    ----------
    frame
        Columns model, layer (in the network's order), the value and, if measured, its interval,
        `low` and `high`.
    value
        Column that is drawn.
    label
        Label of the value's axis, with the unit.
    pairs
        Pair to its `standard` and `robust` network.
    unpaired
        Networks of the study that are in no pair, in its order.
    means
        Value of each whole network, written above the panel; may be empty.
    numbered
        Whether layers are numbered from 1, for names that are too long to read.
    chance
        Columns model, layer, control and the value, of randomised controls.
    """
    with style():
        shown = panels(frame["model"], pairs, unpaired)
        figure, cells = grid(len(shown), height=2.2)
        annotations = {model: f"mean {mean:#.3g}" for model, mean in means.items()}
        for panel, (axes,) in zip(shown, cells, strict=True):
            layers = _draw_networks(axes, frame, panel, value, chance)
            _scale(axes, [str(i + 1) for i in range(len(layers))] if numbered else layers)
            set_title(axes, panel.title, pad=title_pad(panel, annotations))
            annotate(axes, panel, annotations)
            axes.set_xlabel("Convolution" if numbered else "Layer")
        for axes in first_column(cells):
            axes.set_ylabel(label)
        controls = [] if chance is None else chance["control"].unique()
        add_legend(figure, shown, [_control_handle(control) for control in controls])
        return figure


def first_column(cells: Sequence[Sequence[Axes]]) -> list[Axes]:
    """Axes at the left edge, which carry the label of the vertical axis."""
    return [axes for cell in cells for axes in cell if axes.get_subplotspec().is_first_col()]


def annotate(axes: Axes, panel: Panel, annotations: Mapping[str, str]) -> None:
    """Write the annotations of up to four networks above a panel, two on each line."""
    for i, network in enumerate(_annotated(panel, annotations)):
        right, line = i % 2, i // 2
        axes.annotate(
            annotations[network.model],
            (right, 1),
            (0, 3 + 9 * line),
            xycoords="axes fraction",
            textcoords="offset points",
            ha="right" if right else "left",
            color=network.colour,
            fontsize=7,
        )


def title_pad(panel: Panel, annotations: Mapping[str, str]) -> int:
    """Points between a panel and its title, above the annotations."""
    return 6 + 10 * -(-len(_annotated(panel, annotations)) // 2)


def _annotated(panel: Panel, annotations: Mapping[str, str]) -> list[Network]:
    return [network for network in panel.networks if network.model in annotations][:4]


def _control_handle(control: str) -> Line2D:
    line = {"color": FAINT, "linestyle": CONTROL_STYLES[control]}
    return Line2D([], [], label=f"chance: {control} weights", **line)


def _draw_networks(
    axes: Axes, frame: pd.DataFrame, panel: Panel, value: str, chance: pd.DataFrame | None
) -> list[str]:
    """Draw the lines of a panel and return its layers in order."""
    by_model = {network: frame[frame["model"] == network.model] for network in panel.networks}
    layers = list(dict.fromkeys(layer for rows in by_model.values() for layer in rows["layer"]))
    for network, rows in by_model.items():
        at = [layers.index(layer) for layer in rows["layer"]]
        line = {"color": network.colour, "marker": network.marker, "markersize": 3.2}
        axes.plot(at, rows[value], **line, clip_on=False)
        if "low" in rows:
            band = {"color": network.colour, "alpha": 0.18, "lw": 0}
            axes.fill_between(at, rows["low"], rows["high"], **band)
        if chance is not None:
            of_network = chance[chance["model"] == network.model]
            for control, means in of_network.groupby("control", sort=False):
                at = [layers.index(layer) for layer in means["layer"]]
                line = {"color": network.colour, "linewidth": 0.9}
                axes.plot(at, means[value], CONTROL_STYLES[control], **line)
    return layers


def _scale(axes: Axes, layers: Sequence[str]) -> None:
    """Set the limits and name the layers, slanted if the names are long."""
    axes.set_ylim(bottom=0)
    axes.set_xlim(-0.3, len(layers) - 0.7)
    axes.grid(axis="y")
    at = np.arange(0, len(layers), math.ceil(len(layers) / MAX_NAMED_LAYERS))
    # Width for the names in inches, and what they need at their size with gaps.
    width = axes.figure.get_figwidth() / axes.get_subplotspec().get_gridspec().ncols - 0.5
    numbers = all(layer.isdigit() for layer in layers)
    fits = numbers or sum(len(layers[i]) + 2 for i in at) * 0.058 < width
    slant = {} if fits else {"rotation": 45, "ha": "right", "rotation_mode": "anchor"}
    axes.set_xticks(at, [layers[i] for i in at], fontsize=6.5, **slant)
