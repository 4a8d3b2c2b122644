"""Gaussian noise, as of a camera in low light."""

import numpy as np
from jaxtyping import UInt8

from shapebias.stimuli.corruptions._base import Corruption, to_bytes


def build(*, severity: int) -> "GaussianNoise":
    """Corruption that adds Gaussian noise.

    Parameters
    ----------
    severity
        From 1 to 5.
    """
    return GaussianNoise(severity=severity)


class GaussianNoise(Corruption):
    """Noise of standard deviation `LEVELS`, for colours in [0, 1]; see `Corruption`."""

    LEVELS = (0.08, 0.12, 0.18, 0.26, 0.38)

    def __call__(
        self, pixels: UInt8[np.ndarray, "row column 3"], *, rng: np.random.Generator
    ) -> UInt8[np.ndarray, "row column 3"]:
        """Image with noise, independent for each pixel and colour."""
        noisy = rng.standard_normal(pixels.shape)
        noisy *= self.level
        noisy += pixels / 255
        return to_bytes(noisy)
