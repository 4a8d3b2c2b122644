"""Fog: a plasma fractal added to the image."""

import numpy as np
from jaxtyping import Float64, UInt8

from shapebias.plugins import plugin
from shapebias.stimuli.corruptions._base import Corruption, for_each_colour, to_bytes

# Half the range of the first displacements; the fractal is scaled to [0, 1] at the end.
ROUGHNESS = 100.0


@plugin
class Fog(Corruption):
    """Add a fractal to the image and scale the sum to the range of the image.

    `LEVELS` are the strength of the fog relative to white, and the factor by which its amplitude
    decreases from one octave to the next.
    """

    LEVELS = ((1.5, 2), (2.0, 2), (2.5, 1.7), (2.5, 1.5), (3.0, 1.4))

    def __call__(
        self, pixels: UInt8[np.ndarray, "row column 3"], *, rng: np.random.Generator
    ) -> UInt8[np.ndarray, "row column 3"]:
        """Add fog to an image."""
        strength, decay = self.level
        rows, columns, _ = pixels.shape
        # The side of the fractal is the next power of two: 256 for 224.
        side = 1 << (max(rows, columns, 2) - 1).bit_length()
        fractal = plasma(side, decay, rng)[:rows, :columns]
        foggy = pixels / 255
        brightest = foggy.max()
        foggy += for_each_colour(strength * fractal)
        foggy *= brightest
        foggy /= brightest + strength
        return to_bytes(foggy)


def plasma(side: int, decay: float, rng: np.random.Generator) -> Float64[np.ndarray, "side side"]:
    """Draw a periodic plasma fractal in [0, 1] by the diamond-square algorithm.

    Parameters
    ----------
    side
        Rows and columns, a power of two.
    decay
        Factor by which the displacements decrease from one octave to the next.

    References
    ----------
    .. [1] Fournier, Fussell & Carpenter (1982). Computer rendering of stochastic models.
       Communications of the ACM. :DOI:`10.1145/358523.358553`
    """
    heights = np.zeros((side, side))
    step, roughness = side, ROUGHNESS
    while step >= 2:
        half = step // 2
        corners = heights[::step, ::step]
        centres = heights[half::step, half::step]
        # The published code adds rows before columns; these sums have the same order.
        pairs = corners + np.roll(corners, -1, axis=0)
        centres[:] = _displaced(pairs + np.roll(pairs, -1, axis=1), roughness, rng)
        above = centres + np.roll(centres, 1, axis=0) + (corners + np.roll(corners, -1, axis=1))
        heights[::step, half::step] = _displaced(above, roughness, rng)
        beside = centres + np.roll(centres, 1, axis=1) + (corners + np.roll(corners, -1, axis=0))
        heights[half::step, ::step] = _displaced(beside, roughness, rng)
        step, roughness = half, roughness / decay
    heights -= heights.min()
    heights /= heights.max()
    return heights


def _displaced(
    sums: Float64[np.ndarray, "row column"], roughness: float, rng: np.random.Generator
) -> Float64[np.ndarray, "row column"]:
    """Average four heights, given their sums, and displace the averages at random."""
    return sums / 4 + roughness * rng.uniform(-roughness, roughness, sums.shape)
