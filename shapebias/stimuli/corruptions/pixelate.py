"""Large pixels, as of an image enlarged too much."""

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from shapebias.stimuli.corruptions._base import Corruption


def build(*, severity: int) -> "Pixelate":
    """Corruption that makes an image small and large again.

    Parameters
    ----------
    severity
        From 1 to 5.
    """
    return Pixelate(severity=severity)


class Pixelate(Corruption):
    """Resolution lost by averaging in boxes; `LEVELS` are the shares of each side that remain."""

    LEVELS = (0.6, 0.5, 0.4, 0.3, 0.25)

    def __call__(
        self, pixels: UInt8[np.ndarray, "row column 3"], *, rng: np.random.Generator | None = None
    ) -> UInt8[np.ndarray, "row column 3"]:
        """Image of coarser pixels, at its own size."""
        rows, columns, _ = pixels.shape
        small = max(1, int(columns * self.level)), max(1, int(rows * self.level))
        image = np.asarray(Image.fromarray(pixels).resize(small, Image.Resampling.BOX))
        # What Pillow's box finds when it enlarges; its nearest neighbour suffers from rounding.
        return image.take(_places(small[0], columns), axis=1).take(_places(small[1], rows), axis=0)


def _places(few: int, many: int) -> np.ndarray:
    """Which of a few large pixels each of many small ones lies in."""
    return ((np.arange(many) + 0.5) * (few / many)).astype(np.intp)
