"""Median-filtered images."""

from typing import Annotated

import numpy as np
from jaxtyping import UInt8
from scipy.ndimage import median_filter

from shapebias.errors import ShapebiasError
from shapebias.plugins import plugin
from shapebias.ranges import Range


@plugin
class Median:
    """Apply a median filter to each colour, once or repeatedly, the image mirrored at its borders.

    Parameters
    ----------
    size
        Side of the square window in pixels, odd; 1 leaves the image unchanged.
    repeats
        Number of times that the filter is applied.

    References
    ----------
    .. [1] Itazuri, Fukuhara, Kataoka & Morishima (2019). What do adversarially robust models
       look at? :DOI:`10.48550/arXiv.1905.07666`
    """

    size: Annotated[int, Range(ge=1)]
    repeats: Annotated[int, Range(ge=1)] = 1

    def __post_init__(self):
        if self.size % 2 == 0:
            raise ShapebiasError(
                f"median: size is {self.size}; it must be odd: use {self.size + 1}"
            )

    def __call__(
        self,
        pixels: UInt8[np.ndarray, "row column 3"],
        *,
        rng: np.random.Generator | None = None,
        label: str | None = None,
    ) -> tuple[UInt8[np.ndarray, "row column 3"], dict[str, int]]:
        """Filter an image; nothing is random.

        Returns
        -------
        The image; ``median_size``, in pixels; and ``median_repeats``.
        """
        filtered = pixels
        for _ in range(self.repeats):
            # The median of an odd number of values is one of them, so nothing is rounded.
            filtered = median_filter(filtered, (self.size, self.size, 1), mode="reflect")
        return filtered, {"median_size": self.size, "median_repeats": self.repeats}
