"""Speckle noise: the brighter a colour, the stronger its noise."""

import numpy as np
from jaxtyping import UInt8

from shapebias.stimuli.corruptions._base import Corruption, to_bytes


def build(*, severity: int) -> "SpeckleNoise":
    """Corruption that multiplies colours with noise.

    Parameters
    ----------
    severity
        From 1 to 5.
    """
    return SpeckleNoise(severity=severity)


class SpeckleNoise(Corruption):
    """Gaussian noise times the colour; `LEVELS` are its standard deviations."""

    LEVELS = (0.15, 0.2, 0.35, 0.45, 0.6)

    def __call__(
        self, pixels: UInt8[np.ndarray, "row column 3"], *, rng: np.random.Generator
    ) -> UInt8[np.ndarray, "row column 3"]:
        """Image with noise in proportion to its colours, independent for each of them."""
        colours = pixels / 255
        noisy = rng.standard_normal(pixels.shape)
        noisy *= self.level
        noisy *= colours
        noisy += colours
        return to_bytes(noisy)
