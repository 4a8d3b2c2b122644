"""Impulse noise: single values set to black or white, as by bit errors."""

import numpy as np
from jaxtyping import UInt8

from shapebias.plugins import plugin
from shapebias.stimuli.corruptions._base import Corruption


@plugin
class ImpulseNoise(Corruption):
    """Add salt and pepper in equal parts; `LEVELS` are their share of all values, in [0, 1]."""

    LEVELS = (0.03, 0.06, 0.09, 0.17, 0.27)

    def __call__(
        self, pixels: UInt8[np.ndarray, "row column 3"], *, rng: np.random.Generator
    ) -> UInt8[np.ndarray, "row column 3"]:
        """Add salt and pepper, independent for each pixel and colour."""
        hit = rng.random(pixels.shape) <= self.level
        salt = rng.random(pixels.shape) <= 0.5
        return np.where(hit, salt * np.uint8(255), pixels)
