"""Training curves of the networks that the study trained."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from shapebias.report.plotting.panels import (
    Pairs,
    Panel,
    Unpaired,
    add_legend,
    grid,
    panels,
    set_title,
)
from shapebias.report.plotting.style import FAINT, empty_figure, style

# Accuracies to how their line is drawn and what it is called.
CURVES = {
    "validation_accuracy": ("-", "clean validation"),
    "adversarial_accuracy": ("--", "attacked"),
    "accuracy": (":", "training"),
}
# Beyond this many epochs, points would run together.
DOTTED = 12


def draw(*, training_log: pd.DataFrame, pairs: Pairs, unpaired: Unpaired) -> Figure:
    """Accuracy on clean and attacked validation images, while training, and loss by epoch.

    A panel a network, a pair's first, all on the same axes; networks that are trained on no
    attack have no curve under one.

    Parameters
    ----------
    training_log
        Table `training_log`. Accuracy and loss are those of the images as the recipe saw them:
        adversarial ones for a robust network.
    pairs
        Pair to its `standard` and `robust` network.
    unpaired
        Networks of the study that are in no pair, in its order.
    """
    if training_log.empty:
        return empty_figure("No network is trained in this study.")
    with style():
        shown = _one_each(panels(training_log["model"], pairs, unpaired))
        across = min(len(shown), 4)
        figure, cells = grid(len(shown), height=1.05, rows=2, across=across)
        highest = training_log["loss"].max()
        for i, (panel, (upper, lower)) in enumerate(zip(shown, cells, strict=True)):
            own = training_log[training_log["model"] == panel.title].sort_values("epoch")
            _draw_curves(upper, lower, own, panel.networks[0].colour)
            set_title(upper, panel.title).set_color(panel.networks[0].colour)
            upper.set_ylim(0, 102)
            lower.set_ylim(0, 1.05 * highest)
            for axes in (upper, lower):
                _lay_out(axes, training_log["epoch"].max(), first=i % across == 0)
            upper.tick_params(labelbottom=False)
            if i + across >= len(shown):
                lower.set_xlabel("Epoch")
            if i % across == 0:
                upper.set_ylabel("Accuracy (%)")
                lower.set_ylabel("Loss (nats)")
        lines = [
            Line2D([], [], color=FAINT, linestyle=dashes, label=label)
            for dashes, label in CURVES.values()
        ]
        add_legend(figure, [panel for panel in shown if panel.pair], lines)
        return figure


def _one_each(shown: list[Panel]) -> list[Panel]:
    """A panel a network: curves of several would hide each other; one in two pairs comes once."""
    found: dict[str, Panel] = {}
    for panel in shown:
        for network in panel.networks:
            found.setdefault(network.model, Panel(network.model, (network,), panel.pair))
    return list(found.values())


def _draw_curves(upper: Axes, lower: Axes, own: pd.DataFrame, colour: str) -> None:
    mark = "o" if len(own) <= DOTTED else ""
    for column, (dashes, _) in CURVES.items():
        upper.plot(own["epoch"], 100 * own[column], mark + dashes, color=colour, markersize=2.4)
    lower.plot(own["epoch"], own["loss"], mark + "-", color=colour, markersize=2.4)


def _lay_out(axes: Axes, last: int, *, first: bool) -> None:
    axes.set_xlim(0.5, last + 0.5)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=5, integer=True))
    axes.tick_params(labelleft=first)
    axes.grid(axis="y")
