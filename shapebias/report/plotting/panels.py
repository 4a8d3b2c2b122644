"""Panels of a figure, one a pair of networks, with legends and titles."""

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.text import Text

from shapebias.report.plotting.style import COLUMN, OTHERS, PAGE, ROBUST, STANDARD

# Networks of one colour differ in their marks.
MARKS = ("o", "s", "^", "D", "v", "P", "X")
# Inches that a figure has for a legend; for a higher one it grows.
LEGEND = 0.35
# Inches that one more line of a title takes.
LINE = 0.14
# Letters an inch, at least, of a legend and of a bold title.
LETTERS = 13
Pairs = Mapping[str, Mapping[str, str]]
Unpaired = Sequence[str]


@dataclass(frozen=True)
class Network:
    """A network as a figure shows it: name in the tables, what to call it, colour and mark."""

    model: str
    label: str
    colour: str
    mark: str = MARKS[0]


@dataclass(frozen=True)
class Panel:
    """Networks that are drawn in one set of axes; `pair` is None where they are in no pair."""

    title: str
    networks: tuple[Network, ...]
    pair: str | None = None


def panels(models: Iterable[str], pairs: Pairs, unpaired: Unpaired) -> list[Panel]:
    """One panel a pair, then one for the networks that are in no pair.

    Parameters
    ----------
    models
        Networks that a table holds; a pair of which it holds neither has no panel.
    pairs
        Pair to its `standard` and `robust` network.
    unpaired
        Networks of the study that are in no pair, in its order. Colour and mark follow the place
        in it, so that a network that a table leaves out does not change those of others.
    """
    models = list(dict.fromkeys(models))
    found = []
    for pair, sides in pairs.items():
        networks = (
            Network(sides["standard"], "standard", STANDARD),
            Network(sides["robust"], "robust", ROBUST),
        )
        measured = tuple(network for network in networks if network.model in models)
        if measured:
            found.append(Panel(pair, measured, pair))
    others = tuple(
        Network(model, model, OTHERS[i % len(OTHERS)], MARKS[i // len(OTHERS) % len(MARKS)])
        for i, model in enumerate(unpaired)
        if model in models
    )
    if others:
        title = others[0].model if len(others) == 1 else "other networks" if found else "networks"
        found.append(Panel(title, others))
    return found


def grid(
    n: int, *, height: float, rows: int = 1, across: int | None = None
) -> tuple[Figure, list[list[Axes]]]:
    """Figure of panels, each of some axes one above the other, up to four panels side by side.

    Parameters
    ----------
    n
        Number of panels.
    rows
        Axes in a panel.
    height
        Of one set of axes, in inches.
    across
        Panels side by side; chosen by their number where None is given.

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
    """How many of some panels stand side by side, where nothing else decides."""
    # Four fit where nothing is left over; otherwise three are easier to read.
    return n if n <= 4 else 3


def add_legend(figure: Figure, shown: Sequence[Panel], more: Sequence[Line2D] = ()) -> None:
    """Name colours and marks above the panels: standard and robust, then networks in no pair.

    Marks of another kind follow, `more`.
    """
    named = {network.label: network for panel in shown for network in panel.networks}
    if len(named) < 2 and not more:
        return
    handles = [
        Line2D([], [], color=one.colour, marker=one.mark, ls="none", markersize=5.5, label=label)
        for label, one in named.items()
    ]
    handles += more
    explain(figure, handles, "outside upper left")


def explain(figure: Figure, handles: Sequence[Line2D], place: str) -> None:
    """Legend in as many columns as the figure's width holds; the figure grows where it is high.

    Parameters
    ----------
    handles
        Entries; a label that is wider than the figure is folded.
    place
        Where it stands, outside the panels.
    """
    for handle in handles:
        handle.set_label(wrap_text(handle.get_label(), figure.get_figwidth() - 0.5))
    for columns in range(min(len(handles), 5), 0, -1):
        made = figure.legend(handles=handles, loc=place, ncols=columns)
        if columns == 1 or made.get_window_extent().width < figure.bbox.width:
            break
        made.remove()
    more = made.get_window_extent().height / figure.dpi - LEGEND
    figure.set_figheight(figure.get_figheight() + max(0.0, more))


def set_title(axes: Axes, title: str, *, pad: float = 6) -> Text:
    """Give a panel its title, on as many lines as it needs, for which the figure grows."""
    figure, place = axes.figure, axes.get_subplotspec()
    text = wrap_text(title, figure.get_figwidth() / place.get_gridspec().ncols - 0.5)
    beside = [one for one in figure.axes if one.get_subplotspec().rowspan == place.rowspan]
    highest = max(one.get_title(loc="left").count("\n") for one in beside)
    more = max(0, text.count("\n") - highest)
    figure.set_figheight(figure.get_figheight() + LINE * more)
    return axes.set_title(text, pad=pad)


def wrap_text(text: str, width: float) -> str:
    """A text on as many lines as a width in inches needs, broken after underscores if need be."""
    letters = int(LETTERS * width)
    if len(text) <= letters:
        return text
    return textwrap.fill(text.replace("_", "_ "), letters).replace("_ ", "_")
