"""Panels of a figure, one for each pair of networks, with legends and titles."""

import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.text import Text

from shapebias.report.plotting.style import COLUMN, OTHERS, PAGE, ROBUST, STANDARD
from shapebias.report.table_rows import Pairs

# Networks of the same colour have different markers.
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
# Height of a legend and of a line of a title, in inches.
LEGEND, LINE = 0.35, 0.14
# Letters per inch, at least, of a legend and of a bold title.
LETTERS = 13
Unpaired = Sequence[str]


@dataclass(frozen=True)
class Network:
    """Network in a figure: its name in the tables, its label, colour and marker."""

    model: str
    label: str
    colour: str
    marker: str = MARKERS[0]


@dataclass(frozen=True)
class Panel:
    """Networks drawn in one set of axes; `pair` is None if they are in no pair."""

    title: str
    networks: tuple[Network, ...]
    pair: str | None = None


def panels(models: Iterable[str], pairs: Pairs, unpaired: Unpaired) -> list[Panel]:
    """One panel for each pair, then one for the networks in no pair.

    Parameters
    ----------
    models
        Networks in a table; a pair with neither network in it has no panel.
    pairs
        Pair to its `standard` and `robust` network.
    unpaired
        Networks of the study that are in no pair. Their order decides on colour and marker, so a
        network that is missing in a table does not change those of others.
    """
    models = set(models)
    shown = []
    for pair, sides in pairs.items():
        networks = (
            Network(sides["standard"], "standard", STANDARD),
            Network(sides["robust"], "robust", ROBUST),
        )
        measured = tuple(network for network in networks if network.model in models)
        if measured:
            shown.append(Panel(pair, measured, pair))
    others = tuple(
        Network(model, model, OTHERS[i % len(OTHERS)], MARKERS[i // len(OTHERS) % len(MARKERS)])
        for i, model in enumerate(unpaired)
        if model in models
    )
    if others:
        title = others[0].model if len(others) == 1 else "other networks" if shown else "networks"
        shown.append(Panel(title, others))
    return shown


def grid(
    n: int, *, height: float, rows: int = 1, across: int | None = None
) -> tuple[Figure, list[list[Axes]]]:
    """Create a figure of panels, each with one or more axes from top to bottom.

    Parameters
    ----------
    n
        Number of panels.
    height
        Height of one set of axes in inches.
    rows
        Number of axes in a panel.
    across
        Number of panels side by side; None for `n_columns`.

    Returns
    -------
    The figure, and the axes of each panel from top to bottom.
    """
    across = across or n_columns(n)
    down = -(-n // across)
    width = COLUMN + 0.6 if across == 1 else PAGE
    figure = Figure(figsize=(width, height * rows * down + LEGEND), layout="constrained")
    axes = figure.subplots(down * rows, across, squeeze=False)
    cells = [
        [axes[(i // across) * rows + row][i % across] for row in range(rows)]
        for i in range(across * down)
    ]
    for cell in cells[n:]:
        for unused in cell:
            unused.remove()
    return figure, cells[:n]


def n_columns(n: int) -> int:
    """Number of panels side by side, of `n` panels."""
    # Four fit in one row; in several rows, three are easier to read.
    return n if n <= 4 else 3


def add_legend(figure: Figure, shown: Sequence[Panel], more: Sequence[Line2D] = ()) -> None:
    """Draw the legend of networks above the panels.

    Parameters
    ----------
    figure
        The figure.
    shown
        Panels whose networks are listed, each label once.
    more
        Entries that follow.
    """
    networks = {network.label: network for panel in shown for network in panel.networks}
    if len(networks) < 2 and not more:
        return
    style = {"linestyle": "none", "markersize": 5.5}
    handles = [
        Line2D([], [], color=network.colour, marker=network.marker, label=label, **style)
        for label, network in networks.items()
    ]
    place_legend(figure, [*handles, *more], "outside upper left")


def place_legend(figure: Figure, handles: Sequence[Line2D], place: str) -> None:
    """Draw a legend outside the panels; the figure grows if the legend is high.

    Parameters
    ----------
    figure
        The figure.
    handles
        Entries, in as many columns as fit; a label that is wider than the figure is wrapped.
    place
        Place of the legend in Matplotlib's words, such as "outside upper left".
    """
    for handle in handles:
        handle.set_label(wrap_text(handle.get_label(), figure.get_figwidth() - 0.5))
    for columns in range(min(len(handles), 5), 0, -1):
        legend = figure.legend(handles=handles, loc=place, ncols=columns)
        if columns == 1 or legend.get_window_extent().width < figure.bbox.width:
            break
        legend.remove()
    growth = legend.get_window_extent().height / figure.dpi - LEGEND
    figure.set_figheight(figure.get_figheight() + max(0.0, growth))


def set_title(axes: Axes, title: str, *, pad: float = 6) -> Text:
    """Write the title of a panel, wrapped to its width; the figure grows with the lines.

    Parameters
    ----------
    axes
        Uppermost axes of the panel.
    title
        The title.
    pad
        Distance from the axes in points.
    """
    figure, place = axes.figure, axes.get_subplotspec()
    text = wrap_text(title, figure.get_figwidth() / place.get_gridspec().ncols - 0.5)
    same_row = [other for other in figure.axes if other.get_subplotspec().rowspan == place.rowspan]
    most = max(other.get_title(loc="left").count("\n") for other in same_row)
    n_more = max(0, text.count("\n") - most)
    figure.set_figheight(figure.get_figheight() + LINE * n_more)
    return axes.set_title(text, pad=pad)


def wrap_text(text: str, width: float) -> str:
    """Wrap a text to a width in inches, after spaces or underscores.

    Examples
    --------
    >>> wrap_text("resnet50_stylized_imagenet", 1.2).splitlines()
    ['resnet50_', 'stylized_', 'imagenet']
    """
    letters = int(LETTERS * width)
    if len(text) <= letters:
        return text
    return textwrap.fill(text.replace("_", "_ "), letters).replace("_ ", "_")
