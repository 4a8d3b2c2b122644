"""Noisy images: independent Gaussian noise on every pixel and colour."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import UInt8

from shapebias.errors import ShapebiasError


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
        noisy = pixels + 255 * self.sd * rng.standard_normal(pixels.shape)
        return np.rint(noisy.clip(0, 255)).astype(np.uint8), {"noise_sd": float(self.sd)}
