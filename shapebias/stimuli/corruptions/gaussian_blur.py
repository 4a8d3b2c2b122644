"""Gaussian blur."""

import numpy as np
from jaxtyping import UInt8
from scipy.ndimage import gaussian_filter

from shapebias.plugins import plugin
from shapebias.stimuli.corruptions._base import Corruption, to_bytes


@plugin
class GaussianBlur(Corruption):
    """Blur with a Gaussian; `LEVELS` are its standard deviations in pixels."""

    LEVELS = (1, 2, 3, 4, 6)

    def __call__(
        self, pixels: UInt8[np.ndarray, "row column 3"], *, rng: np.random.Generator | None = None
    ) -> UInt8[np.ndarray, "row column 3"]:
        """Blur an image, its edge pixels repeated beyond the borders; nothing is random."""
        sigmas = (self.level, self.level, 0)
        return to_bytes(gaussian_filter(pixels / 255, sigmas, mode="nearest"))
