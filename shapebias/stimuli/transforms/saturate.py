"""Saturated images: every colour moved towards black and white, or towards mid grey."""

import numpy as np
from jaxtyping import UInt8

from shapebias.errors import ShapebiasError
from shapebias.plugins import plugin


@plugin
class Saturate:
    """Saturate an image by a power of each value's distance from mid grey.

    A value v in [0, 1] becomes ``sign(x) |x|**(2 / level) / 2 + 1 / 2`` with ``x = 2 v - 1``.

    Parameters
    ----------
    level
        Above 0. At 2 the image is unchanged, at infinity every value becomes 0 or 1, and towards
        0 the image becomes mid grey.

    References
    ----------
    .. [1] Zhang & Zhu (2019). Interpreting adversarially trained convolutional neural networks.
       ICML. https://proceedings.mlr.press/v97/zhang19s.html
    """

    level: float

    def __post_init__(self):
        # Infinity is allowed, which no `Range` contains.
        if not self.level > 0:
            raise ShapebiasError(f"saturate: level is {self.level}; it must be above 0")

    def __call__(
        self,
        pixels: UInt8[np.ndarray, "row column 3"],
        *,
        rng: np.random.Generator | None = None,
        label: str | None = None,
    ) -> tuple[UInt8[np.ndarray, "row column 3"], dict[str, float]]:
        """Saturate an image and round it to 8 bits; nothing is random.

        Returns
        -------
        The image; and ``saturation``, the level.
        """
        # No 8-bit value is exactly mid grey.
        x = np.arange(256) / 127.5 - 1
        saturated = np.sign(x) * np.abs(x) ** (2 / self.level)
        table = np.rint(127.5 * (saturated + 1)).astype(np.uint8)
        return table[pixels], {"saturation": float(self.level)}
