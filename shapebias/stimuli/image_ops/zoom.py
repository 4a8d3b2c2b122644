"""Enlarged middles of images, as zoom blur and snow use them."""

from math import ceil

import numpy as np
from jaxtyping import Float


def zoom(
    image: Float[np.ndarray, "*planes row column"], factor: float
) -> Float[np.ndarray, "*planes row column"]:
    """Middle of an image enlarged to the image's size, by linear interpolation.

    Parameters
    ----------
    image
        One or more planes.
    factor
        Enlargement along each side, at least 1.
    """
    return _stretched(_stretched(image, factor, axis=-2), factor, axis=-1)


def _stretched(image: np.ndarray, factor: float, axis: int) -> np.ndarray:
    size = image.shape[axis]
    kept = ceil(size / factor)
    stretched = round(kept * factor)
    trimmed = (stretched - size) // 2
    # The outermost pixels that are kept stay the outermost ones.
    places = np.arange(trimmed, trimmed + size) * ((kept - 1) / max(stretched - 1, 1))
    below = places.astype(np.intp)
    above = np.minimum(below + 1, kept - 1)
    share = (places - below).astype(image.dtype)
    if axis == -2:
        share = share[:, None]
    first = (size - kept) // 2
    low, high = image.take(first + below, axis), image.take(first + above, axis)
    high -= low
    high *= share
    high += low
    return high
