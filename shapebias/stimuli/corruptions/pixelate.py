"""Pixelation: an image of low resolution, enlarged."""

import numpy as np
from jaxtyping import Int, UInt8
from PIL import Image

from shapebias.plugins import plugin
from shapebias.stimuli.corruptions._base import Corruption


@plugin
class Pixelate(Corruption):
    """Shrink an image by box averaging and enlarge it; `LEVELS` are the factors of each side."""

    LEVELS = (0.6, 0.5, 0.4, 0.3, 0.25)

    def __call__(
        self, pixels: UInt8[np.ndarray, "row column 3"], *, rng: np.random.Generator | None = None
    ) -> UInt8[np.ndarray, "row column 3"]:
        """Pixelate an image at its own size; nothing is random."""
        rows, columns, _ = pixels.shape
        small = max(1, int(columns * self.level)), max(1, int(rows * self.level))
        image = np.asarray(Image.fromarray(pixels).resize(small, Image.Resampling.BOX))
        # Equal to enlarging by Pillow's box filter; Pillow's nearest neighbour has rounding errors.
        across, down = _source_indices(small[0], columns), _source_indices(small[1], rows)
        return image.take(across, axis=1).take(down, axis=0)


def _source_indices(small: int, large: int) -> Int[np.ndarray, " large"]:
    """Return for each pixel of the enlarged line the index of the small pixel that covers it."""
    return ((np.arange(large) + 0.5) * (small / large)).astype(np.intp)
