"""Noisy images: independent Gaussian noise on every pixel and colour."""

from functools import lru_cache
from typing import Annotated

import numpy as np
from jaxtyping import Int16, UInt8, UInt64
from scipy.special import ndtr

from shapebias.plugins import plugin
from shapebias.ranges import Range

# Marks the upper halves of random numbers for which the lower half decides the level.
UNDECIDED = 1000


@plugin
class Noise:
    """Add Gaussian noise, independent for each pixel and colour, clipped to [0, 1].

    Parameters
    ----------
    sd
        Standard deviation, for pixels in [0, 1]; 0.08 for the paper's noisy images.
    """

    sd: Annotated[float, Range(ge=0)]

    def __call__(
        self,
        pixels: UInt8[np.ndarray, "row column 3"],
        *,
        rng: np.random.Generator,
        label: str | None = None,
    ) -> tuple[UInt8[np.ndarray, "row column 3"], dict[str, float]]:
        """Add noise to an image and round it to 8 bits.

        Returns
        -------
        The image; and ``noise_sd``, the standard deviation of the setting.
        """
        thresholds, levels = _noise_tables(float(self.sd))
        numbers = rng.integers(2**32, size=pixels.shape, dtype=np.uint32)
        noise = levels[numbers >> 16]
        undecided = noise == UNDECIDED
        noise[undecided] = np.searchsorted(thresholds, numbers[undecided], side="right") - 255
        noise += pixels
        return noise.clip(0, 255).astype(np.uint8), {"noise_sd": float(self.sd)}


@lru_cache(maxsize=8)
def _noise_tables(
    sd: float,
) -> tuple[UInt64[np.ndarray, "510"], Int16[np.ndarray, "65536"]]:
    """Tabulate Gaussian noise in whole levels, equal to noise that is rounded with the pixels.

    Lookup is three times as fast as drawing from the continuous distribution.

    Returns
    -------
    How many of 2**32 equally likely numbers are below each of the levels -254 ... 255; and the
    level for each upper half of a number's bits, or `UNDECIDED`.
    """
    with np.errstate(divide="ignore"):
        probabilities = ndtr((np.arange(-255, 255) + 0.5) / np.float64(255 * sd))
    thresholds = np.rint(probabilities * 2**32).astype(np.uint64)
    lowest = np.arange(2**16, dtype=np.uint64) << np.uint64(16)
    first, last = (
        np.searchsorted(thresholds, number, side="right") - 255
        for number in (lowest, lowest + np.uint64(0xFFFF))
    )
    return thresholds, np.where(first == last, first, UNDECIDED).astype(np.int16)
