"""Artefacts of strong JPEG compression."""

import io

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from shapebias.stimuli.corruptions._base import Corruption


def build(*, severity: int) -> "JpegCompression":
    """Corruption that compresses an image and reads it again.

    Parameters
    ----------
    severity
        From 1 to 5.
    """
    return JpegCompression(severity=severity)


class JpegCompression(Corruption):
    """JPEG of low quality; `LEVELS` are the qualities, of 100."""

    LEVELS = (25, 18, 15, 10, 7)

    def __call__(
        self, pixels: UInt8[np.ndarray, "row column 3"], *, rng: np.random.Generator | None = None
    ) -> UInt8[np.ndarray, "row column 3"]:
        """Image as the compressed file shows it."""
        file = io.BytesIO()
        Image.fromarray(pixels).save(file, "JPEG", quality=self.level)
        return np.array(Image.open(file, formats=("JPEG",)))
