"""Motion blur, as of a camera that moves sideways."""

import numpy as np
from jaxtyping import UInt8

from shapebias.stimuli.corruptions._base import Corruption
from shapebias.stimuli.image_ops.motion_blur import motion_blur


def build(*, severity: int) -> "MotionBlur":
    """Corruption that blurs along one direction.

    Parameters
    ----------
    severity
        From 1 to 5.
    """
    return MotionBlur(severity=severity)


class MotionBlur(Corruption):
    """Blur in a direction drawn for the image; `LEVELS` are radius and sigma in pixels."""

    LEVELS = ((10, 3), (15, 5), (15, 8), (15, 12), (20, 15))

    def __call__(
        self, pixels: UInt8[np.ndarray, "row column 3"], *, rng: np.random.Generator
    ) -> UInt8[np.ndarray, "row column 3"]:
        """Image blurred along a direction from 45 degrees above to 45 below the right."""
        radius, sigma = self.level
        return motion_blur(pixels, radius=radius, sigma=sigma, angle=rng.uniform(-45, 45))
