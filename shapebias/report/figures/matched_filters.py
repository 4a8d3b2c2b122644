"""First-layer filters of a pair with the highest correlation, standard above robust."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from jaxtyping import Float
from matplotlib.figure import Figure, SubFigure

from shapebias.report.plotting.panels import Pairs
from shapebias.report.plotting.style import PAGE, ROBUST, STANDARD, empty_figure, style

Kernels = Mapping[str, Float[np.ndarray, "_ 3 row column"]]

SIDES = {"standard": STANDARD, "robust": ROBUST}


def draw(*, filter_matches: pd.DataFrame, kernels: Kernels, pairs: Pairs, n: int = 10) -> Figure:
    """Draw the most correlated filters of each pair, with their difference in total variation.

    Parameters
    ----------
    filter_matches
        Table `filter_matches`.
    kernels
        Weights of each network's first convolution, by network.
    pairs
        Pair to its `standard` and `robust` network.
    n
        Number of matches of each pair, from the highest rank correlation.
    """
    shown = [pair for pair in pairs if (filter_matches["pair"] == pair).any()]
    if not shown:
        reason = "no matched filters" if pairs else "no pair of networks"
        return empty_figure(f"There is {reason} in this study.")
    with style():
        figure = Figure(figsize=(PAGE, 1.62 * len(shown)), layout="constrained")
        figure.get_layout_engine().set(w_pad=0.02, h_pad=0.02, wspace=0, hspace=0.02)
        blocks = figure.subfigures(len(shown), 1, squeeze=False)[:, 0]
        for pair, block in zip(shown, blocks, strict=True):
            matches = filter_matches[filter_matches["pair"] == pair]
            best = matches.sort_values(["spearman", "filter"], ascending=[False, True])[:n]
            _draw_pair(block, best, kernels, pairs[pair], n)
            block.suptitle(pair, x=0.005, ha="left", fontsize=8.5, fontweight="bold")
        return figure


def _draw_pair(
    block: SubFigure, best: pd.DataFrame, kernels: Kernels, pair: Mapping[str, str], n: int
) -> None:
    axes = block.subplots(2, n, squeeze=False)
    for cell in axes.flat:
        cell.set_axis_off()
    for column, match in enumerate(best.itertuples()):
        above, below = axes[:, column]
        above.imshow(picture(kernels[pair["standard"]][match.filter]), interpolation="nearest")
        below.imshow(picture(kernels[pair["robust"]][match.match]), interpolation="nearest")
        above.set_title(f"ρ {match.spearman:.2f}", fontsize=6.5, fontweight="normal", loc="center")
        text = f"ΔTV {match.tv_difference:+.2g}".replace("-", "−")
        below.text(0.5, -0.12, text, transform=below.transAxes, ha="center", va="top", fontsize=6.5)
    for cell, (side, colour) in zip(axes[:, 0], SIDES.items(), strict=True):
        place = {"transform": cell.transAxes, "ha": "right", "va": "center"}
        cell.text(-0.15, 0.5, side, color=colour, **place)


def picture(kernel: Float[np.ndarray, "3 row column"]) -> Float[np.ndarray, "row column 3"]:
    """Show a kernel as an image in [0, 1]: zero is mid grey, the largest weight full colour."""
    largest = float(np.abs(kernel).max()) or 1.0
    return np.moveaxis(0.5 + kernel / (2 * largest), 0, -1)
