"""Motion blur as ImageMagick computes it: one-sided, along a line of whole pixels.

The published corruptions call ImageMagick. Its arithmetic is followed to the last bit: 16-bit
levels, rounded after the blur, and rounded once more on the way back to 8 bits. (Some of its
releases, 6.9.11-60 among them, cut off at that second step and so come out half a level darker.)
"""

from math import ceil, cos, hypot, radians, sin

import numpy as np
from jaxtyping import Float, Int, UInt8

# ImageMagick's 16-bit level for each step of an 8-bit one.
QUANTUM = 257
# Rows at a time: what is worked on stays in the processor's cache.
BLOCK = 32


def motion_blur(
    pixels: UInt8[np.ndarray, "row column *colours"],
    *,
    radius: int,
    sigma: float,
    angle: float,
) -> UInt8[np.ndarray, "row column *colours"]:
    """Image blurred along one direction, its outermost pixels continued beyond the borders.

    Parameters
    ----------
    pixels
        Grey or coloured image.
    radius
        The trail has ``2 * radius + 1`` pixels.
    sigma
        Standard deviation in pixels of the half Gaussian that weights the trail.
    angle
        Direction of the trail in degrees, clockwise from the right.
    """
    weights = trail_weights(2 * radius + 1, sigma)
    offsets = trail_offsets(len(weights), angle)
    first, last = offsets.min(axis=0), offsets.max(axis=0)
    levels = _continued(pixels, first, last)
    starts = (offsets - first) * (1, pixels[0, 0].size)
    blurred = np.empty((len(pixels), pixels[0].size), np.uint8)
    for top in range(0, len(pixels), BLOCK):
        block = blurred[top : top + BLOCK]
        block[:] = _eight_bit(_weighted(levels[top:], block.shape, weights, starts))
    return blurred.reshape(pixels.shape)


def trail_weights(length: int, sigma: float) -> Float[np.ndarray, "step"]:
    """Weights of the trail's pixels, from where it starts; they add up to 1."""
    steps = np.arange(length)
    weights = np.exp(-steps * steps / (2 * sigma * sigma))
    return weights / weights.sum()


def trail_offsets(length: int, angle: float) -> Int[np.ndarray, "step 2"]:
    """Places of the trail's pixels: rows down and columns to the right of where it starts."""
    down, right = length * sin(radians(angle)), length * cos(radians(angle))
    far = hypot(down, right)
    steps = range(length)
    return np.array([(ceil(i * down / far - 0.5), ceil(i * right / far - 0.5)) for i in steps])


def _continued(pixels: np.ndarray, first: np.ndarray, last: np.ndarray) -> np.ndarray:
    """16-bit levels that reach to the first and last offsets, colours side by side in a row."""
    rows = np.arange(first[0], len(pixels) + last[0]).clip(0, len(pixels) - 1)
    columns = np.arange(first[1], pixels.shape[1] + last[1]).clip(0, pixels.shape[1] - 1)
    wide = pixels.take(rows, axis=0).take(columns, axis=1)
    return wide.reshape(len(rows), -1) * float(QUANTUM)


def _weighted(
    levels: np.ndarray, shape: tuple[int, int], weights: np.ndarray, starts: np.ndarray
) -> np.ndarray:
    """Weighted sum of the parts of a given shape that start at the given places."""
    total, scaled = np.zeros(shape), np.empty(shape)
    rows, columns = shape
    for weight, (row, column) in zip(weights, starts, strict=True):
        part = levels[row : row + rows, column : column + columns]
        total += np.multiply(part, weight, out=scaled)
    return total


def _eight_bit(levels: np.ndarray) -> np.ndarray:
    levels += 0.5
    quanta = levels.astype(np.uint32)
    quanta += 128
    quanta -= quanta >> 8
    return quanta >> 8
