"""Gaussian noise, as from a camera in low light."""

import numpy as np
from jaxtyping import UInt8

from shapebias.plugins import plugin
from shapebias.stimuli.corruptions._base import Corruption, to_bytes


@plugin
class GaussianNoise(Corruption):
    """Add Gaussian noise; `LEVELS` are its standard deviations for colours in [0, 1]."""

    LEVELS = (0.08, 0.12, 0.18, 0.26, 0.38)

    def __call__(
        self, pixels: UInt8[np.ndarray, "row column 3"], *, rng: np.random.Generator
    ) -> UInt8[np.ndarray, "row column 3"]:
        """Add noise that is independent for each pixel and colour."""
        noisy = rng.standard_normal(pixels.shape)
        noisy *= self.level
        noisy += pixels / 255
        return to_bytes(noisy)
