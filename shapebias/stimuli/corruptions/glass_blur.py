"""Glass blur: pixels displaced at random, as seen through frosted glass."""

import numpy as np
from jaxtyping import Int, UInt8
from scipy.ndimage import gaussian_filter

from shapebias.stimuli.corruptions._base import Corruption, to_bytes


def build(*, severity: int) -> "GlassBlur":
    """Corruption that displaces pixels at random.

    Parameters
    ----------
    severity
        From 1 to 5.
    """
    return GlassBlur(severity=severity)


class GlassBlur(Corruption):
    """Displaced pixels between two blurs.

    `LEVELS` are the standard deviation of the blurs in pixels, the largest displacement in
    pixels, and how often all pixels are displaced.

    The published code means to swap pixels but its assignment only copies: a pixel takes over
    the colour of its partner, which keeps it. The published images were made so.
    """

    LEVELS = ((0.7, 1, 2), (0.9, 2, 1), (1, 2, 3), (1.1, 3, 2), (1.5, 4, 2))

    def __call__(
        self, pixels: UInt8[np.ndarray, "row column 3"], *, rng: np.random.Generator
    ) -> UInt8[np.ndarray, "row column 3"]:
        """Image through frosted glass."""
        sigma, reach, rounds = self.level
        sigmas = (sigma, sigma, 0)
        blurred = to_bytes(gaussian_filter(pixels / 255, sigmas, mode="nearest"))
        sources = np.arange(pixels.shape[0] * pixels.shape[1])
        for _ in range(rounds):
            sources = sources[displaced(pixels.shape[:2], reach, rng)]
        shuffled = blurred.reshape(-1, 3)[sources].reshape(pixels.shape)
        return to_bytes(gaussian_filter(shuffled / 255, sigmas, mode="nearest"))


def displaced(
    shape: tuple[int, int], reach: int, rng: np.random.Generator
) -> Int[np.ndarray, "pixel"]:
    """Number of the pixel, row by row, whose colour each pixel ends up with after one round.

    Pixels are visited from the last to the first, those near the borders left out. Each takes
    over the colour that a random neighbour has by then: one that comes earlier in the image still
    has its own, one that comes later may have taken over another's. So colours are followed from
    pixel to pixel, all at once and in doubling strides, to where they were first.
    """
    rows, columns = shape
    size = (max(rows - 2 * reach, 0), max(columns - 2 * reach, 0))
    steps = rng.integers(-reach, reach, (*size, 2))[::-1, ::-1]
    places = np.arange(rows * columns)
    partners = places.reshape(shape).copy()
    inner = partners[reach + 1 : rows - reach + 1, reach + 1 : columns - reach + 1]
    inner += steps[..., 1] * columns + steps[..., 0]
    partners = partners.ravel()
    followed = np.maximum(partners, places)
    taken = np.minimum(partners, places)
    while not np.array_equal(further := followed[followed], followed):
        followed = further
    return taken[followed]
