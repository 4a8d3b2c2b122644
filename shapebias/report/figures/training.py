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

# Column to the style of its line and its label.
CURVES = {
    "validation_accuracy": ("-", "clean validation"),
    "adversarial_accuracy": ("--", "attacked"),
    "accuracy": (":", "training"),
}
# Points of more epochs would run together.
MAX_DOTTED_EPOCHS = 12


def draw(*, training_log: pd.DataFrame, pairs: Pairs, unpaired: Unpaired) -> Figure:
    """Draw accuracy and loss by epoch, a panel for each network, those of pairs first.

    Parameters
    ----------
    training_log
        Table `training_log`. Training accuracy and loss are over the images as the recipe changes
        them, such as adversarial ones; only networks trained on an attack are also validated
        under it.
    pairs
        Pair to its `standard` and `robust` network.
    unpaired
        Networks of the study that are in no pair, in its order.
    """
    if training_log.empty:
        return empty_figure("No network is trained in this study.")
    with style():
        shown = _single_panels(panels(training_log["model"], pairs, unpaired))
        n_columns = min(len(shown), 4)
        figure, cells = grid(len(shown), height=1.05, rows=2, across=n_columns)
        highest, last = training_log["loss"].max(), int(training_log["epoch"].max())
        marker = "o" if last <= MAX_DOTTED_EPOCHS else ""
        for i, (panel, (upper, lower)) in enumerate(zip(shown, cells, strict=True)):
            rows = training_log[training_log["model"] == panel.title].sort_values("epoch")
            _draw_curves(upper, lower, rows, panel.networks[0].colour, marker)
            set_title(upper, panel.title).set_color(panel.networks[0].colour)
            upper.set_ylim(0, 102)
            lower.set_ylim(0, 1.05 * highest)
            for axes in (upper, lower):
                _scale(axes, last, first=i % n_columns == 0)
            upper.tick_params(labelbottom=False)
            if i + n_columns >= len(shown):
                lower.set_xlabel("Epoch")
            if i % n_columns == 0:
                upper.set_ylabel("Accuracy (%)")
                lower.set_ylabel("Loss (nats)")
        lines = [
            Line2D([], [], color=FAINT, linestyle=dashes, label=label)
            for dashes, label in CURVES.values()
        ]
        add_legend(figure, [panel for panel in shown if panel.pair], lines)
        return figure


def _single_panels(shown: list[Panel]) -> list[Panel]:
    """One panel for each network, as curves of several would hide each other."""
    # A network can be in two pairs.
    single: dict[str, Panel] = {}
    for panel in shown:
        for network in panel.networks:
            single.setdefault(network.model, Panel(network.model, (network,), panel.pair))
    return list(single.values())


def _draw_curves(upper: Axes, lower: Axes, rows: pd.DataFrame, colour: str, marker: str) -> None:
    for column, (dashes, _) in CURVES.items():
        line = {"color": colour, "markersize": 2.4}
        upper.plot(rows["epoch"], 100 * rows[column], marker + dashes, **line)
    lower.plot(rows["epoch"], rows["loss"], marker + "-", color=colour, markersize=2.4)


def _scale(axes: Axes, last: int, *, first: bool) -> None:
    axes.set_xlim(0.5, last + 0.5)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=5, integer=True))
    axes.tick_params(labelleft=first)
    axes.grid(axis="y")
