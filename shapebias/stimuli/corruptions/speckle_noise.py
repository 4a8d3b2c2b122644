"""Speckle noise: Gaussian noise proportional to the colour."""

import numpy as np
from jaxtyping import UInt8

from shapebias.plugins import plugin
from shapebias.stimuli.corruptions._base import Corruption, to_bytes


@plugin
class SpeckleNoise(Corruption):
    """Add Gaussian noise times the colour; `LEVELS` are its standard deviations."""

    LEVELS = (0.15, 0.2, 0.35, 0.45, 0.6)

    def __call__(
        self, pixels: UInt8[np.ndarray, "row column 3"], *, rng: np.random.Generator
    ) -> UInt8[np.ndarray, "row column 3"]:
        """Add noise proportional to the colours, independent for each pixel and colour."""
        colours = pixels / 255
        noisy = rng.standard_normal(pixels.shape)
        noisy *= self.level
        noisy *= colours
        noisy += colours
        return to_bytes(noisy)
