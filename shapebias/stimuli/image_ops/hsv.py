"""Colours as hue, saturation and value, and back; all of them in [0, 1]."""

import numpy as np
from jaxtyping import Float


def to_hsv(
    colours: Float[np.ndarray, "3 row column"],
) -> tuple[Float[np.ndarray, "row column"], ...]:
    """Hue, saturation and value of red, green and blue planes; grey has hue 0.

    References
    ----------
    .. [1] Smith (1978). Color gamut transform pairs. SIGGRAPH. :DOI:`10.1145/800248.807361`
    """
    red, green, blue = colours
    value = np.maximum(np.maximum(red, green), blue)
    range_ = value - np.minimum(np.minimum(red, green), blue)
    grey = range_ == 0
    divisor = np.where(grey, 1, range_)
    # Where two colours are the brightest, the later one decides, as in the published code.
    sextant = np.where(
        blue == value,
        4 + (red - green) / divisor,
        np.where(green == value, 2 + (blue - red) / divisor, (green - blue) / divisor),
    )
    hue = sextant / 6
    hue += hue < 0
    hue[grey] = 0
    return hue, range_ / np.where(value == 0, 1, value), value


def from_hsv(
    hue: Float[np.ndarray, "row column"],
    saturation: Float[np.ndarray, "row column"],
    value: Float[np.ndarray, "row column"],
) -> Float[np.ndarray, "row column 3"]:
    """Red, green and blue of hue, saturation and value."""
    sextant = np.floor(hue * 6)
    part = hue * 6 - sextant
    low = value * (1 - saturation)
    falling = value * (1 - part * saturation)
    rising = value * (1 - (1 - part) * saturation)
    number = sextant.astype(np.intp) % 6
    colours = np.empty((*value.shape, 3))
    np.choose(number, (value, falling, low, low, rising, value), out=colours[..., 0])
    np.choose(number, (rising, value, value, falling, low, low), out=colours[..., 1])
    np.choose(number, (low, low, rising, value, value, falling), out=colours[..., 2])
    return colours
