"""Low contrast: every colour moved towards the mean of the image."""

import numpy as np
from jaxtyping import UInt8

from shapebias.plugins import plugin
from shapebias.stimuli.corruptions._base import Corruption, to_bytes


@plugin
class Contrast(Corruption):
    """Multiply distances from the mean colour by a factor in [0, 1], the `LEVELS`."""

    LEVELS = (0.4, 0.3, 0.2, 0.1, 0.05)

    def __call__(
        self, pixels: UInt8[np.ndarray, "row column 3"], *, rng: np.random.Generator | None = None
    ) -> UInt8[np.ndarray, "row column 3"]:
        """Lower the contrast around the mean of each colour; nothing is random."""
        rows, columns, _ = pixels.shape
        means = pixels.sum(axis=(0, 1), dtype=np.int64) / (255 * rows * columns)
        greys = np.arange(256)[:, None] / 255
        table = to_bytes((greys - means) * self.level + means)
        return np.stack([table[:, colour][pixels[..., colour]] for colour in range(3)], axis=-1)
