"""Motion blur as in ImageMagick: one-sided, along a line of whole pixels.

The published corruptions call ImageMagick. Its arithmetic is reproduced bit for bit: 16-bit
levels, rounded after the blur and rounded again when converted to 8 bits. (Some releases, such as
6.9.11-60, truncate in that conversion, which makes images half a level darker.)
"""

from math import ceil, cos, hypot, radians, sin

import numpy as np
from jaxtyping import Float64, Int, UInt8, UInt32

# 16-bit levels per 8-bit level.
QUANTUM = 257
# Rows processed at a time, which fit in the processor's cache.
BLOCK = 32


def motion_blur(
    pixels: UInt8[np.ndarray, "row column *colours"],
    *,
    radius: int,
    sigma: float,
    angle: float,
) -> UInt8[np.ndarray, "row column *colours"]:
    """Blur an image along one direction, its edge pixels repeated beyond the borders.

    Parameters
    ----------
    pixels
        Grey or colour image.
    radius
        The kernel has ``2 * radius + 1`` pixels.
    sigma
        Standard deviation in pixels of the half Gaussian that weights the pixels.
    angle
        Direction of the kernel in degrees, clockwise from the right.
    """
    weights = kernel_weights(2 * radius + 1, sigma)
    offsets = kernel_offsets(len(weights), angle)
    first, last = offsets.min(axis=0), offsets.max(axis=0)
    levels = _padded_levels(pixels, first, last)
    starts = (offsets - first) * (1, pixels[0, 0].size)
    blurred = np.empty((len(pixels), pixels[0].size), np.uint8)
    for top in range(0, len(pixels), BLOCK):
        block = blurred[top : top + BLOCK]
        block[:] = _to_bytes(_weighted_sum(levels[top:], block.shape, weights, starts))
    return blurred.reshape(pixels.shape)


def kernel_weights(length: int, sigma: float) -> Float64[np.ndarray, " step"]:
    """Compute the weights of the kernel's pixels, from its start; they sum to 1."""
    steps = np.arange(length)
    weights = np.exp(-steps * steps / (2 * sigma * sigma))
    return weights / weights.sum()


def kernel_offsets(length: int, angle: float) -> Int[np.ndarray, "step 2"]:
    """Compute the offsets of the kernel's pixels: rows down and columns right from its start."""
    down, right = length * sin(radians(angle)), length * cos(radians(angle))
    norm = hypot(down, right)
    steps = range(length)
    return np.array([(ceil(i * down / norm - 0.5), ceil(i * right / norm - 0.5)) for i in steps])


def _padded_levels(
    pixels: UInt8[np.ndarray, "row column *colours"],
    first: Int[np.ndarray, "2"],
    last: Int[np.ndarray, "2"],
) -> Float64[np.ndarray, "padded_row padded_column"]:
    """Extend an image to the first and the last offset, as 16-bit levels, colours interleaved."""
    rows = np.arange(first[0], len(pixels) + last[0]).clip(0, len(pixels) - 1)
    columns = np.arange(first[1], pixels.shape[1] + last[1]).clip(0, pixels.shape[1] - 1)
    padded = pixels.take(rows, axis=0).take(columns, axis=1)
    return padded.reshape(len(rows), -1) * float(QUANTUM)


def _weighted_sum(
    levels: Float64[np.ndarray, "padded_row padded_column"],
    shape: tuple[int, int],
    weights: Float64[np.ndarray, " step"],
    starts: Int[np.ndarray, "step 2"],
) -> Float64[np.ndarray, "row column"]:
    """Sum the parts of the given shape at the given positions, weighted."""
    total, scaled = np.zeros(shape), np.empty(shape)
    rows, columns = shape
    for weight, (row, column) in zip(weights, starts, strict=True):
        part = levels[row : row + rows, column : column + columns]
        total += np.multiply(part, weight, out=scaled)
    return total


def _to_bytes(levels: Float64[np.ndarray, "row column"]) -> UInt32[np.ndarray, "row column"]:
    """Round to 16 bits, then to 8 bits; the argument is modified."""
    levels += 0.5
    quanta = levels.astype(np.uint32)
    quanta += 128
    quanta -= quanta >> 8
    return quanta >> 8
