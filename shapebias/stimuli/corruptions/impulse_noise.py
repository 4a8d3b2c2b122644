"""Impulse noise: single colours black or white, as of broken bits."""

import numpy as np
from jaxtyping import UInt8

from shapebias.stimuli.corruptions._base import Corruption


def build(*, severity: int) -> "ImpulseNoise":
    """Corruption that turns single colours black or white.

    Parameters
    ----------
    severity
        From 1 to 5.
    """
    return ImpulseNoise(severity=severity)


class ImpulseNoise(Corruption):
    """Salt and pepper in equal parts; `LEVELS` are their share of all colours."""

    LEVELS = (0.03, 0.06, 0.09, 0.17, 0.27)

    def __call__(
        self, pixels: UInt8[np.ndarray, "row column 3"], *, rng: np.random.Generator
    ) -> UInt8[np.ndarray, "row column 3"]:
        """Image with salt and pepper, independent for each pixel and colour."""
        hit = rng.random(pixels.shape) <= self.level
        salt = rng.random(pixels.shape) <= 0.5
        return np.where(hit, salt * np.uint8(255), pixels)
