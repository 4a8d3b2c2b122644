"""Gaussian blur of any width in the same short time, as products of banded matrices."""

from functools import lru_cache

import numpy as np
from jaxtyping import Float32

# Pixels of a line that are blurred together, at least: fewer would be many small products, more
# than the Gaussian's reach many zeros.
PART = 16


def gaussian_blur(
    planes: Float32[np.ndarray, "plane row column"], sigma: float, *, truncate: float = 4.0
) -> Float32[np.ndarray, "plane row column"]:
    """Planes blurred by a Gaussian, mirrored at the borders with the outermost pixels repeated.

    Parameters
    ----------
    planes
        Single precision, to which the result agrees with that of any other method.
    sigma
        Standard deviation in pixels.
    truncate
        Standard deviations at which the Gaussian is cut off.
    """
    radius = int(truncate * sigma + 0.5)
    if radius == 0:
        return planes.copy()
    along, both = np.empty_like(planes), np.empty_like(planes)
    for part, source, weights in _bands(planes.shape[2], sigma, radius):
        np.matmul(planes[..., source], weights.T, out=along[..., part])
    for part, source, weights in _bands(planes.shape[1], sigma, radius):
        np.matmul(weights, along[:, source], out=both[:, part])
    return both


@lru_cache(maxsize=16)
def _bands(size: int, sigma: float, radius: int) -> list[tuple[slice, slice, np.ndarray]]:
    """For each part of a line the pixels that bear on it, and their weights ``(out, in)``."""
    steps = np.arange(-radius, radius + 1)
    weights = np.exp(-(steps**2) / (2 * sigma**2))
    weights /= weights.sum()
    bands = []
    length = max(PART, radius)
    for start in range(0, size, length):
        part = np.arange(start, min(start + length, size))[:, None]
        places = (part + steps) % (2 * size)
        places = np.minimum(places, 2 * size - 1 - places)
        first, last = places.min(), places.max()
        band = np.zeros((len(part), last - first + 1))
        np.add.at(band, (part - start, places - first), weights)
        source = slice(int(first), int(last) + 1)
        bands.append((slice(start, start + len(part)), source, band.astype(np.float32)))
    return bands
