"""Median-filtered images."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import UInt8
from scipy.ndimage import median_filter

from shapebias.errors import ShapebiasError


def build(*, size: int, repeats: int = 1) -> "Median":
    """Transform that replaces each colour by the median of those about it.

    Parameters
    ----------
    size
        Side of the square window in pixels, odd; 1 leaves the image as it is.
    repeats
        How many times the filter is applied, at least 1.
    """
    return Median(size=size, repeats=repeats)


@dataclass(frozen=True, kw_only=True)
class Median:
    """Median filter of each colour, applied again and again, the image mirrored at its borders.

    Parameters
    ----------
    size, repeats
        See `build`.

    References
    ----------
    .. [1] Itazuri, Fukuhara, Kataoka & Morishima (2019). What do adversarially robust models
       look at? :DOI:`10.48550/arXiv.1905.07666`
    """

    size: int
    repeats: int = 1

    def __post_init__(self):
        if self.size < 1 or self.size % 2 == 0 or self.repeats < 1:
            raise ShapebiasError(
                "median needs an odd size and repeats of at least 1, not"
                f" size {self.size} and repeats {self.repeats}"
            )

    def __call__(
        self,
        pixels: UInt8[np.ndarray, "row column 3"],
        *,
        rng: np.random.Generator | None = None,
        label: str | None = None,
    ) -> tuple[UInt8[np.ndarray, "row column 3"], dict[str, int]]:
        """Filtered image; ``median_size``, pixels, and ``median_repeats``."""
        filtered = pixels
        for _ in range(self.repeats):
            # The median of an odd number of colours is one of them: nothing is rounded.
            filtered = median_filter(filtered, (self.size, self.size, 1), mode="reflect")
        return filtered, {"median_size": self.size, "median_repeats": self.repeats}
