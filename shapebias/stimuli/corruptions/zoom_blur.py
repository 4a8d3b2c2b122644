"""Zoom blur, as from a camera that moves towards its subject."""

import numpy as np
from jaxtyping import UInt8

from shapebias.plugins import plugin
from shapebias.stimuli.corruptions._base import Corruption, to_bytes
from shapebias.stimuli.image_ops.zoom import zoom


@plugin
class ZoomBlur(Corruption):
    """Average an image with enlargements of it.

    `LEVELS` are the end (excluded) and the step of the factors, which start at 1.
    """

    LEVELS = ((1.11, 0.01), (1.16, 0.01), (1.21, 0.02), (1.26, 0.02), (1.31, 0.03))

    def __call__(
        self, pixels: UInt8[np.ndarray, "row column 3"], *, rng: np.random.Generator | None = None
    ) -> UInt8[np.ndarray, "row column 3"]:
        """Blur an image radially from its centre; nothing is random."""
        planes = np.ascontiguousarray(pixels.transpose(2, 0, 1)) / 255
        total = np.zeros(planes.shape, np.float32)
        end, step = self.level
        factors = np.arange(1, end, step)
        for factor in factors:
            total += zoom(planes, factor)
        total += planes
        total /= len(factors) + 1
        return np.stack(to_bytes(total), axis=-1)
