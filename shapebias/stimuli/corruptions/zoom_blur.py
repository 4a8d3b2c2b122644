"""Zoom blur, as of a camera that moves towards its subject."""

import numpy as np
from jaxtyping import UInt8

from shapebias.stimuli.corruptions._base import Corruption, to_bytes
from shapebias.stimuli.image_ops.zoom import zoom


def build(*, severity: int) -> "ZoomBlur":
    """Corruption that blurs away from the centre.

    Parameters
    ----------
    severity
        From 1 to 5.
    """
    return ZoomBlur(severity=severity)


class ZoomBlur(Corruption):
    """Mean of an image and its enlargements; `LEVELS` are their end and step, from 1."""

    LEVELS = ((1.11, 0.01), (1.16, 0.01), (1.21, 0.02), (1.26, 0.02), (1.31, 0.03))

    def __call__(
        self, pixels: UInt8[np.ndarray, "row column 3"], *, rng: np.random.Generator | None = None
    ) -> UInt8[np.ndarray, "row column 3"]:
        """Image blurred away from its centre."""
        planes = np.ascontiguousarray(pixels.transpose(2, 0, 1)) / 255
        total = np.zeros(planes.shape, np.float32)
        end, step = self.level
        factors = np.arange(1, end, step)
        for factor in factors:
            total += zoom(planes, factor)
        total += planes
        total /= len(factors) + 1
        return np.stack(to_bytes(total), axis=-1)
