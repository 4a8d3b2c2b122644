"""Straight lines through times by size: the largest departure shows what is not linear."""

from collections.abc import Sequence

import numpy as np

# Largest departure from the line, as a share of the time at that size.
BAR = 0.1


def fitted(sizes: Sequence[int], times: Sequence[float]) -> dict[str, float | bool]:
    """Straight line through the times, and how well it fits."""
    slope, start = np.polyfit(sizes, times, 1)
    line = start + slope * np.array(sizes)
    explained = 1 - ((times - line) ** 2).sum() / ((times - np.mean(times)) ** 2).sum()
    departure = float(np.abs(times / line - 1).max())
    return {
        "start_s": float(start),
        "slope_s": float(slope),
        "explained": float(explained),
        "departure": departure,
        "bar": BAR,
        "ok": departure <= BAR,
    }
