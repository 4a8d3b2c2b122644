"""Low contrast: every colour drawn towards the image's mean."""

import numpy as np
from jaxtyping import UInt8

from shapebias.stimuli.corruptions._base import Corruption, to_bytes


def build(*, severity: int) -> "Contrast":
    """Corruption that takes contrast away.

    Parameters
    ----------
    severity
        From 1 to 5.
    """
    return Contrast(severity=severity)


class Contrast(Corruption):
    """Distances from the mean colour made smaller; `LEVELS` are the shares that remain."""

    LEVELS = (0.4, 0.3, 0.2, 0.1, 0.05)

    def __call__(
        self, pixels: UInt8[np.ndarray, "row column 3"], *, rng: np.random.Generator | None = None
    ) -> UInt8[np.ndarray, "row column 3"]:
        """Image of lower contrast, around the mean of each of its colours."""
        rows, columns, _ = pixels.shape
        means = pixels.sum(axis=(0, 1), dtype=np.int64) / (255 * rows * columns)
        greys = np.arange(256)[:, None] / 255
        table = to_bytes((greys - means) * self.level + means)
        return np.stack([table[:, colour][pixels[..., colour]] for colour in range(3)], axis=-1)
