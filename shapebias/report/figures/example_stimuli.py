"""Example images: the same few in every image set."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import UInt8
from matplotlib.figure import Figure

from shapebias.report.plotting.panels import Pairs
from shapebias.report.plotting.style import empty_figure, label, style

# Heading and images of each row; None if the image set lacks an image.
Rows = Sequence[tuple[str, Sequence[UInt8[np.ndarray, "_ _ 3"] | None]]]

# Side of an image, and width of the headings, in inches.
SIDE, HEADING = 0.82, 1.45
FRAME = "#CCCCCC"


def draw(*, rows: Rows, pairs: Pairs | None = None) -> Figure:
    """Draw a grid of images, one row for each image set.

    Parameters
    ----------
    rows
        Heading and images of each image set; None if the set lacks an image.
    pairs
        Not used; every figure has this keyword.
    """
    n_columns = max((len(images) for _, images in rows), default=0)
    if n_columns == 0:
        return empty_figure("This study has no images to show.")
    with style():
        width = HEADING + SIDE * n_columns
        figure = Figure(figsize=(width, SIDE * len(rows)))
        axes = figure.subplots(len(rows), n_columns, squeeze=False)
        margins = {"left": HEADING / width, "right": 0.998, "bottom": 0.002, "top": 0.998}
        figure.subplots_adjust(**margins, wspace=0.04, hspace=0.04)
        for cell in axes.flat:
            cell.set_axis_off()
        for cells, (name, images) in zip(axes, rows, strict=True):
            place = {"transform": cells[0].transAxes, "ha": "right", "va": "center"}
            cells[0].text(-0.1, 0.5, _heading(name), **place)
            for cell, image in zip(cells, images, strict=False):
                if image is not None:
                    cell.imshow(image, interpolation="nearest")
                    # A frame, as some images are white at their edges.
                    cell.set_axis_on()
                    cell.set(xticks=[], yticks=[])
                    cell.spines[:].set(visible=True, color=FRAME)
        return figure


def _heading(name: str) -> str:
    """Name of an image set as words; a network in brackets keeps its name."""
    image_set, bracket, network = name.partition(" (")
    return label(image_set) + ("\n(" if bracket else "") + network
