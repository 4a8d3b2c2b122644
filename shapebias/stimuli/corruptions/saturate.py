"""Saturation: colours too pale or too vivid."""

import numpy as np
from jaxtyping import UInt8

from shapebias.plugins import plugin
from shapebias.stimuli.corruptions._base import Corruption, to_bytes
from shapebias.stimuli.image_ops.hsv import from_hsv, to_hsv


@plugin
class Saturate(Corruption):
    """Multiply the saturation by a factor and add a constant, the `LEVELS`.

    At severity 1 and 2 colours become paler, from 3 on more vivid.
    """

    LEVELS = ((0.3, 0), (0.1, 0), (2, 0), (5, 0.1), (20, 0.2))

    def __call__(
        self, pixels: UInt8[np.ndarray, "row column 3"], *, rng: np.random.Generator | None = None
    ) -> UInt8[np.ndarray, "row column 3"]:
        """Change the saturation of an image; nothing is random."""
        factor, constant = self.level
        hue, saturation, value = to_hsv(pixels.transpose(2, 0, 1) / 255)
        saturation = (saturation * factor + constant).clip(0, 1)
        return to_bytes(from_hsv(hue, saturation, value))
