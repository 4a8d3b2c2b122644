"""Blurred images."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import UInt8

from shapebias.errors import ShapebiasError
from shapebias.stimuli.image_ops.gaussian import gaussian_blur


def build(*, sigma: float) -> "Blur":
    """Transform that blurs an image.

    Parameters
    ----------
    sigma
        Standard deviation of the Gaussian, in pixels; 0 leaves the image as it is.
    """
    return Blur(sigma=sigma)


@dataclass(frozen=True, kw_only=True)
class Blur:
    """Gaussian blur of each colour, the image mirrored at its borders.

    Parameters
    ----------
    sigma
        Standard deviation of the Gaussian, in pixels.
    """

    sigma: float

    def __post_init__(self):
        if not 0 <= self.sigma < np.inf:
            raise ShapebiasError(f"blur needs a finite sigma of at least 0, not {self.sigma}")

    def __call__(
        self,
        pixels: UInt8[np.ndarray, "row column 3"],
        *,
        rng: np.random.Generator | None = None,
        label: str | None = None,
    ) -> tuple[UInt8[np.ndarray, "row column 3"], dict[str, float]]:
        """Blurred image, rounded to 8 bits; and ``blur_sigma``, the width in pixels."""
        planes = np.stack([pixels[..., colour] for colour in range(3)]).astype(np.float32)
        blurred = np.rint(gaussian_blur(planes, self.sigma)).astype(np.uint8)
        return np.stack(blurred, axis=-1), {"blur_sigma": float(self.sigma)}
