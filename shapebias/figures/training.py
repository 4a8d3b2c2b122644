"""Training curves of the networks that the study trained."""

from itertools import cycle

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from shapebias.drawing import Pairs, Panel, grid, legend, look, note, panels
from shapebias.panel_kinds import first_column

LABELS = {
    "validation_accuracy": "Accuracy on clean\nvalidation images (%)",
    "adversarial_accuracy": "Accuracy on\nattacked ones (%)",
    "accuracy": "Accuracy while\ntraining (%)",
    "loss": "Loss (nats)",
}


def draw(*, training_log: pd.DataFrame, pairs: Pairs) -> Figure:
    """Accuracy on clean and attacked validation images, while training, and loss by epoch.

    A column a pair; networks that are trained on no attack have no curve under one.

    Parameters
    ----------
    training_log
        Table `training_log`. Accuracy and loss are those of the images as the recipe saw them:
        adversarial ones for a robust network.
    pairs
        Pair to its `standard` and `robust` network.
    """
    if training_log.empty:
        return note("No network is trained in this study.")
    with look():
        shown = panels(training_log["model"], pairs)
        figure, cells = grid(len(shown), height=1.35, rows=len(LABELS))
        for panel, cell in zip(shown, cells, strict=True):
            cell[0].set_title(panel.title)
            for axes, column in zip(cell, LABELS, strict=True):
                _draw_curves(axes, training_log, panel, column)
            cell[-1].set_xlabel("Epoch")
        for axes, label in zip(first_column(cells), cycle(LABELS.values()), strict=False):
            axes.set_ylabel(label)
        legend(figure, shown)
        return figure


def _draw_curves(axes: Axes, log: pd.DataFrame, panel: Panel, column: str) -> None:
    scale = 1 if column == "loss" else 100
    for network in panel.networks:
        own = log[log["model"] == network.model].sort_values("epoch")
        axes.plot(own["epoch"], scale * own[column], "o-", color=network.colour, markersize=2.4)
    # The same epochs in every row, also where there is no curve.
    last = log.loc[log["model"].isin([network.model for network in panel.networks]), "epoch"].max()
    axes.set_xlim(0.5, last + 0.5)
    axes.set_ylim(bottom=0)
    if column != "loss":
        axes.set_ylim(0, 102)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=5, integer=True))
    axes.grid(axis="y")
