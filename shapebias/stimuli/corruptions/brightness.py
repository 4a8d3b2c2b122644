"""Brightness: an overexposed image."""

import numpy as np
from jaxtyping import UInt8

from shapebias.plugins import plugin
from shapebias.stimuli.corruptions._base import Corruption, to_bytes
from shapebias.stimuli.image_ops.hsv import from_hsv, to_hsv


@plugin
class Brightness(Corruption):
    """Raise the value of every colour by `LEVELS`; hue and saturation stay the same."""

    LEVELS = (0.1, 0.2, 0.3, 0.4, 0.5)

    def __call__(
        self, pixels: UInt8[np.ndarray, "row column 3"], *, rng: np.random.Generator | None = None
    ) -> UInt8[np.ndarray, "row column 3"]:
        """Brighten an image; nothing is random."""
        hue, saturation, value = to_hsv(pixels.transpose(2, 0, 1) / 255)
        value = (value + self.level).clip(0, 1)
        return to_bytes(from_hsv(hue, saturation, value))
