"""JPEG compression: the artefacts of a low quality."""

import io

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from shapebias.plugins import plugin
from shapebias.stimuli.corruptions._base import Corruption


@plugin
class JpegCompression(Corruption):
    """Compress as JPEG; `LEVELS` are the qualities, at most 100."""

    LEVELS = (25, 18, 15, 10, 7)

    def __call__(
        self, pixels: UInt8[np.ndarray, "row column 3"], *, rng: np.random.Generator | None = None
    ) -> UInt8[np.ndarray, "row column 3"]:
        """Compress and decode an image; nothing is random."""
        file = io.BytesIO()
        Image.fromarray(pixels).save(file, "JPEG", quality=self.level)
        return np.array(Image.open(file, formats=("JPEG",)))
