"""Straight-line fits of times by size, which show whether the time grows linearly."""

from collections.abc import Sequence

import numpy as np

# Largest deviation from the line, as a fraction of the time at that size.
BAR = 0.1


def fit_line(sizes: Sequence[int], times: Sequence[float]) -> dict[str, float | bool]:
    """Fit a straight line to times; return its coefficients and the quality of the fit."""
    slope, start = np.polyfit(sizes, times, 1)
    line = start + slope * np.array(sizes)
    r_squared = 1 - ((times - line) ** 2).sum() / ((times - np.mean(times)) ** 2).sum()
    deviation = float(np.abs(times / line - 1).max())
    return {
        "start_s": float(start),
        "slope_s": float(slope),
        "r_squared": float(r_squared),
        "deviation": deviation,
        "bar": BAR,
        "ok": deviation <= BAR,
    }
