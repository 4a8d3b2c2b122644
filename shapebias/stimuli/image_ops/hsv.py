"""Conversion between RGB and hue, saturation and value, all in [0, 1].

OpenCV converts in single precision, which changes one in seventy 8-bit values by a level.
"""

import numpy as np
from jaxtyping import Float

Plane = Float[np.ndarray, "row column"]


def to_hsv(colours: Float[np.ndarray, "3 row column"]) -> tuple[Plane, Plane, Plane]:
    """Convert red, green and blue planes to hue, saturation and value; grey has hue 0.

    References
    ----------
    .. [1] Smith (1978). Color gamut transform pairs. SIGGRAPH. :DOI:`10.1145/800248.807361`
    """
    red, green, blue = colours
    value = np.maximum(np.maximum(red, green), blue)
    range_ = value - np.minimum(np.minimum(red, green), blue)
    grey = range_ == 0
    divisor = np.where(grey, 1, range_)
    # If two colours are equally bright, the later one determines the hue, as published.
    sextant = np.where(
        blue == value,
        4 + (red - green) / divisor,
        np.where(green == value, 2 + (blue - red) / divisor, (green - blue) / divisor),
    )
    hue = sextant / 6
    hue += hue < 0
    hue[grey] = 0
    return hue, range_ / np.where(value == 0, 1, value), value


def from_hsv(hue: Plane, saturation: Plane, value: Plane) -> Float[np.ndarray, "row column 3"]:
    """Convert hue, saturation and value to red, green and blue."""
    sextant = np.floor(hue * 6)
    fraction = hue * 6 - sextant
    low = value * (1 - saturation)
    falling = value * (1 - fraction * saturation)
    rising = value * (1 - (1 - fraction) * saturation)
    index = sextant.astype(np.intp) % 6
    colours = np.empty((*value.shape, 3))
    np.choose(index, (value, falling, low, low, rising, value), out=colours[..., 0])
    np.choose(index, (rising, value, value, falling, low, low), out=colours[..., 1])
    np.choose(index, (low, low, rising, value, value, falling), out=colours[..., 2])
    return colours
