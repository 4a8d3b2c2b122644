"""Blurred images."""

from typing import Annotated

import numpy as np
from jaxtyping import UInt8

from shapebias.plugins import plugin
from shapebias.ranges import Range
from shapebias.stimuli.image_ops.gaussian import gaussian_blur


@plugin
class Blur:
    """Blur each colour with a Gaussian, the image mirrored at its borders.

    Parameters
    ----------
    sigma
        Standard deviation of the Gaussian, in pixels; 0 leaves the image unchanged.
    """

    sigma: Annotated[float, Range(ge=0)]

    def __call__(
        self,
        pixels: UInt8[np.ndarray, "row column 3"],
        *,
        rng: np.random.Generator | None = None,
        label: str | None = None,
    ) -> tuple[UInt8[np.ndarray, "row column 3"], dict[str, float]]:
        """Blur an image and round it to 8 bits; nothing is random.

        Returns
        -------
        The image; and ``blur_sigma``, the standard deviation in pixels.
        """
        planes = np.stack([pixels[..., colour] for colour in range(3)]).astype(np.float32)
        blurred = np.rint(gaussian_blur(planes, self.sigma)).astype(np.uint8)
        return np.stack(blurred, axis=-1), {"blur_sigma": float(self.sigma)}
