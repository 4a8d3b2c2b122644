"""Gaussian blur as products of banded matrices, whose time hardly depends on the width."""

from functools import lru_cache

import numpy as np
from jaxtyping import Float32

# Smallest number of pixels of a line that are blurred by one matrix product: with fewer there are
# many small products, with more than the radius of the Gaussian the matrices are mostly zeros.
PART = 16


def gaussian_blur(
    planes: Float32[np.ndarray, "plane row column"], sigma: float, *, truncate: float = 4.0
) -> Float32[np.ndarray, "plane row column"]:
    """Blur planes with a Gaussian, mirrored at the borders with the edge pixels repeated.

    The result equals that of `scipy.ndimage.gaussian_filter` to single precision.

    Parameters
    ----------
    planes
        Images in single precision.
    sigma
        Standard deviation in pixels.
    truncate
        Radius of the Gaussian in standard deviations.

    Examples
    --------
    >>> line = np.array([[[0, 0, 1, 0, 0]]], np.float32)
    >>> gaussian_blur(line, 0.5).astype(float).round(2).tolist()
    [[[0.0, 0.11, 0.79, 0.11, 0.0]]]
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
def _bands(
    size: int, sigma: float, radius: int
) -> list[tuple[slice, slice, Float32[np.ndarray, "target source"]]]:
    """Compute for each part of a line the source pixels it depends on, and their weights."""
    steps = np.arange(-radius, radius + 1)
    weights = np.exp(-(steps**2) / (2 * sigma**2))
    weights /= weights.sum()
    bands = []
    length = max(PART, radius)
    for start in range(0, size, length):
        part = np.arange(start, min(start + length, size))[:, None]
        indices = (part + steps) % (2 * size)
        indices = np.minimum(indices, 2 * size - 1 - indices)
        first, last = indices.min(), indices.max()
        band = np.zeros((len(part), last - first + 1))
        np.add.at(band, (part - start, indices - first), weights)
        source = slice(int(first), int(last) + 1)
        bands.append((slice(start, start + len(part)), source, band.astype(np.float32)))
    return bands
