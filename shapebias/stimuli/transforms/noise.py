"""Noisy images: independent Gaussian noise on every pixel and colour."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from jaxtyping import UInt8
from scipy.special import ndtr

from shapebias.errors import ShapebiasError

UNDECIDED = 1000


def build(*, sd: float) -> "Noise":
    """Transform that adds Gaussian noise.

    Parameters
    ----------
    sd
        Standard deviation, for pixels in [0, 1]; 0.08 for the paper's noisy images.
    """
    return Noise(sd=sd)


@dataclass(frozen=True, kw_only=True)
class Noise:
    """Gaussian noise, independent for each pixel and colour, clipped to [0, 1].

    Parameters
    ----------
    sd
        Standard deviation, for pixels in [0, 1].
    """

    sd: float

    def __post_init__(self):
        if not 0 <= self.sd < np.inf:
            raise ShapebiasError(f"noise needs a finite sd of at least 0, not {self.sd}")

    def __call__(
        self,
        pixels: UInt8[np.ndarray, "row column 3"],
        *,
        rng: np.random.Generator,
        label: str | None = None,
    ) -> tuple[UInt8[np.ndarray, "row column 3"], dict[str, float]]:
        """Noisy image, rounded to 8 bits; and ``noise_sd``, the standard deviation as set."""
        thresholds, steps = _distribution(float(self.sd))
        drawn = rng.integers(2**32, size=pixels.shape, dtype=np.uint32)
        noise = steps[drawn >> 16]
        rest = noise == UNDECIDED
        noise[rest] = np.searchsorted(thresholds, drawn[rest], side="right") - 255
        noise += pixels
        return noise.clip(0, 255).astype(np.uint8), {"noise_sd": float(self.sd)}


@lru_cache(maxsize=8)
def _distribution(sd: float) -> tuple[np.ndarray, np.ndarray]:
    """Gaussian noise in whole levels, which is what remains of it once pixels are rounded.

    Returns
    -------
    Of 2**32 equally likely numbers, how many lie below each of the levels -254 ... 255; and the
    level that the upper half of a number's bits decides, or `UNDECIDED`. Tables are three times
    as fast as drawing from the continuous distribution.
    """
    with np.errstate(divide="ignore"):
        shares = ndtr((np.arange(-255, 255) + 0.5) / np.float64(255 * sd))
    thresholds = np.rint(shares * 2**32).astype(np.uint64)
    lowest = np.arange(2**16, dtype=np.uint64) << np.uint64(16)
    first, last = (
        np.searchsorted(thresholds, number, side="right") - 255
        for number in (lowest, lowest + np.uint64(0xFFFF))
    )
    return thresholds, np.where(first == last, first, UNDECIDED).astype(np.int16)
