"""Matplotlib style of all figures, and how they are saved."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import matplotlib
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from shapebias.errors import ShapebiasError
from shapebias.io.atomic import atomic_write

# Okabe and Ito's palette, which colour-blind readers can distinguish.
STANDARD = "#0072B2"
ROBUST = "#D55E00"
OTHERS = ("#009E73", "#CC79A7", "#56B4E9", "#8C6D1F", "#4D4D4D")
FAINT = "#8A8A8A"
# Width of a page's text and of one of its two columns, in inches.
PAGE, COLUMN = 7.0, 3.5
STYLE = {
    "font.family": "DejaVu Sans",
    "font.size": 8,
    "axes.titlesize": 8.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": 8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.7,
    "axes.edgecolor": "#444444",
    "axes.axisbelow": True,
    "axes.grid": False,
    "grid.color": "#E3E3E3",
    "grid.linewidth": 0.6,
    "xtick.labelsize": 7.5,
    "ytick.labelsize": 7.5,
    "xtick.major.width": 0.7,
    "ytick.major.width": 0.7,
    "legend.fontsize": 8,
    "legend.frameon": False,
    "legend.handletextpad": 0.4,
    "legend.columnspacing": 1.4,
    "lines.linewidth": 1.4,
    "lines.markersize": 4,
    # A name with two dollar signs is a name, not a formula.
    "text.parse_math": False,
    "pdf.fonttype": 42,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
}


@contextmanager
def style() -> Iterator[None]:
    """Draw in the project's style within this context."""
    with matplotlib.rc_context({**matplotlib.rcParamsDefault, **STYLE, "backend": "agg"}):
        yield


def empty_figure(text: str) -> Figure:
    """Draw a figure that states why there is nothing to draw."""
    with style():
        figure = Figure(figsize=(COLUMN, 0.8))
        figure.text(0.5, 0.5, text, ha="center", va="center", color=FAINT, wrap=True)
        return figure


def log_axis(axis: Axis) -> None:
    """Label a logarithmic axis with a few plain numbers."""
    axis.set_major_locator(LogLocator(numticks=4))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())


def label(name: str) -> str:
    """Write a name as words: underscores become spaces.

    Examples
    --------
    >>> label("black_and_white")
    'black and white'
    """
    return name.replace("_", " ")


def png(figure: Figure) -> bytes:
    """Encode a figure as PNG; equal figures give equal bytes."""
    buffer = io.BytesIO()
    with style():
        figure.savefig(buffer, format="png", dpi=150, metadata={"Software": None})
    return buffer.getvalue()


def save(figure: Figure, path: str | Path) -> None:
    """Write a figure to a file without dates, so that equal figures are equal files.

    Parameters
    ----------
    figure
        Figure to write.
    path
        File that ends in ``.png`` or ``.pdf``.

    Raises
    ------
    ShapebiasError
        If it has another ending.
    """
    suffix = Path(path).suffix
    if suffix not in (".png", ".pdf"):
        raise ShapebiasError(f"{path}: a figure is written as .png or .pdf; change the ending")
    with atomic_write(path) as temporary, style():
        if suffix == ".png":
            temporary.write_bytes(png(figure))
        else:
            figure.savefig(temporary, format="pdf", metadata={"CreationDate": None})
