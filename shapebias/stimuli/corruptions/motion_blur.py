"""Motion blur, as from a moving camera."""

import numpy as np
from jaxtyping import UInt8

from shapebias.plugins import plugin
from shapebias.stimuli.corruptions._base import Corruption
from shapebias.stimuli.image_ops.motion_blur import motion_blur


@plugin
class MotionBlur(Corruption):
    """Blur along a random direction; `LEVELS` are radius and sigma in pixels."""

    LEVELS = ((10, 3), (15, 5), (15, 8), (15, 12), (20, 15))

    def __call__(
        self, pixels: UInt8[np.ndarray, "row column 3"], *, rng: np.random.Generator
    ) -> UInt8[np.ndarray, "row column 3"]:
        """Blur an image along a random direction within 45 degrees of the horizontal."""
        radius, sigma = self.level
        return motion_blur(pixels, radius=radius, sigma=sigma, angle=rng.uniform(-45, 45))
