"""The same few images in every image set."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import UInt8
from matplotlib.figure import Figure

from shapebias.report.plotting.panels import Pairs
from shapebias.report.plotting.style import empty_figure, label, style

Rows = Sequence[tuple[str, Sequence[UInt8[np.ndarray, "row column 3"] | None]]]


def draw(*, rows: Rows, pairs: Pairs | None = None) -> Figure:
    """A grid of images: a row an image set, named at its left.

    Parameters
    ----------
    rows
        Name of each image set, and its images; None where the set left an image out.
    pairs
        Not used; every figure is given them.
    """
    across = max((len(images) for _, images in rows), default=0)
    if across == 0:
        return empty_figure("This study has no images to show.")
    with style():
        side, names = 0.82, 1.45
        figure = Figure(figsize=(names + side * across, side * len(rows)))
        axes = figure.subplots(len(rows), across, squeeze=False)
        figure.subplots_adjust(
            left=names / (names + side * across), right=1, bottom=0, top=1, wspace=0.04, hspace=0.04
        )
        for one in axes.flat:
            one.set_axis_off()
        for line, (name, images) in zip(axes, rows, strict=True):
            line[0].text(
                -0.1,
                0.5,
                _heading(name),
                transform=line[0].transAxes,
                ha="right",
                va="center",
                wrap=True,
            )
            for one, image in zip(line, images, strict=False):
                if image is not None:
                    one.imshow(image, interpolation="nearest")
        return figure


def _heading(name: str) -> str:
    """An image set's name as words; a network that stands in brackets after it keeps its own."""
    image_set, bracket, network = name.partition(" (")
    return label(image_set) + ("\n(" if bracket else "") + network
