"""Shot noise: Poisson noise from counting photons."""

import numpy as np
from jaxtyping import UInt8

from shapebias.plugins import plugin
from shapebias.stimuli.corruptions._base import Corruption, to_bytes


@plugin
class ShotNoise(Corruption):
    """Replace colours by Poisson counts; `LEVELS` are the mean counts of white."""

    LEVELS = (60, 25, 12, 5, 3)

    def __call__(
        self, pixels: UInt8[np.ndarray, "row column 3"], *, rng: np.random.Generator
    ) -> UInt8[np.ndarray, "row column 3"]:
        """Add Poisson noise, independent for each pixel and colour."""
        white = self.level
        counts = rng.poisson(pixels / 255 * white)
        # Counts above that of white are clipped to white.
        return to_bytes(np.arange(white + 1) / white).take(counts, mode="clip")
