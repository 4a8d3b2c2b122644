"""Shot noise: the grain of light that comes in single quanta."""

import numpy as np
from jaxtyping import UInt8

from shapebias.stimuli.corruptions._base import Corruption, to_bytes


def build(*, severity: int) -> "ShotNoise":
    """Corruption that counts quanta of light.

    Parameters
    ----------
    severity
        From 1 to 5.
    """
    return ShotNoise(severity=severity)


class ShotNoise(Corruption):
    """Poisson counts in place of colours; `LEVELS` are the mean counts of white."""

    LEVELS = (60, 25, 12, 5, 3)

    def __call__(
        self, pixels: UInt8[np.ndarray, "row column 3"], *, rng: np.random.Generator
    ) -> UInt8[np.ndarray, "row column 3"]:
        """Image whose colours are counts, independent for each pixel and colour."""
        white = self.level
        counts = rng.poisson(pixels / 255 * white)
        # More quanta than of white are white too.
        return to_bytes(np.arange(white + 1) / white).take(counts, mode="clip")
