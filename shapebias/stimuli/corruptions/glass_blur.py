"""Glass blur: pixels displaced at random, as seen through frosted glass."""

import numpy as np
from jaxtyping import Int, UInt8
from scipy.ndimage import gaussian_filter

from shapebias.plugins import plugin
from shapebias.stimuli.corruptions._base import Corruption, to_bytes


@plugin
class GlassBlur(Corruption):
    """Blur, displace pixels at random, and blur again.

    `LEVELS` are the standard deviation of the blurs in pixels, the largest displacement in
    pixels, and the number of rounds of displacement.

    Notes
    -----
    The published code is meant to swap pixels, but its assignment only copies: a pixel takes the
    colour of its partner, and the partner keeps it. The published images were made this way.
    """

    LEVELS = ((0.7, 1, 2), (0.9, 2, 1), (1, 2, 3), (1.1, 3, 2), (1.5, 4, 2))

    def __call__(
        self, pixels: UInt8[np.ndarray, "row column 3"], *, rng: np.random.Generator
    ) -> UInt8[np.ndarray, "row column 3"]:
        """Apply glass blur to an image."""
        sigma, reach, rounds = self.level
        sigmas = (sigma, sigma, 0)
        blurred = to_bytes(gaussian_filter(pixels / 255, sigmas, mode="nearest"))
        sources = np.arange(pixels.shape[0] * pixels.shape[1])
        for _ in range(rounds):
            sources = sources[draw_sources(pixels.shape[:2], reach, rng)]
        shuffled = blurred.reshape(-1, 3)[sources].reshape(pixels.shape)
        return to_bytes(gaussian_filter(shuffled / 255, sigmas, mode="nearest"))


def draw_sources(
    shape: tuple[int, int], reach: int, rng: np.random.Generator
) -> Int[np.ndarray, " pixel"]:
    """Draw one round of displacements; return the index of each pixel's source.

    Pixels, numbered row by row, are visited from the last to the first, except near the borders.
    Each takes the current colour of a random neighbour. A neighbour that comes earlier in the
    image still has its original colour; one that comes later may already have taken another. So
    sources are followed from pixel to pixel, all at once with doubling strides, to the original.
    """
    rows, columns = shape
    size = (max(rows - 2 * reach, 0), max(columns - 2 * reach, 0))
    steps = rng.integers(-reach, reach, (*size, 2))[::-1, ::-1]
    indices = np.arange(rows * columns)
    neighbours = indices.reshape(shape).copy()
    inner = neighbours[reach + 1 : rows - reach + 1, reach + 1 : columns - reach + 1]
    inner += steps[..., 1] * columns + steps[..., 0]
    neighbours = neighbours.ravel()
    later = np.maximum(neighbours, indices)
    earlier = np.minimum(neighbours, indices)
    while not np.array_equal(further := later[later], later):
        later = further
    return earlier[later]
