"""Saturated images: every colour pushed towards black and white, or drawn to mid grey."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import UInt8

from shapebias.errors import ShapebiasError


def build(*, level: float) -> "Saturate":
    """Transform that saturates an image.

    Parameters
    ----------
    level
        Above 0. At 2 the image stays as it is, at infinity every colour is 0 or 1, and towards
        0 the image becomes mid grey.
    """
    return Saturate(level=level)


@dataclass(frozen=True, kw_only=True)
class Saturate:
    """Saturation by a power of each colour's distance from mid grey.

    A colour v in [0, 1] becomes ``sign(x) |x|**(2 / level) / 2 + 1 / 2`` with ``x = 2 v - 1``.

    Parameters
    ----------
    level
        The exponent's denominator, above 0, infinity included.

    References
    ----------
    .. [1] Zhang & Zhu (2019). Interpreting adversarially trained convolutional neural networks.
       ICML. https://proceedings.mlr.press/v97/zhang19s.html
    """

    level: float

    def __post_init__(self):
        if not self.level > 0:
            raise ShapebiasError(f"saturate needs a level above 0, not {self.level}")

    def __call__(
        self,
        pixels: UInt8[np.ndarray, "row column 3"],
        *,
        rng: np.random.Generator | None = None,
        label: str | None = None,
    ) -> tuple[UInt8[np.ndarray, "row column 3"], dict[str, float]]:
        """Saturated image, rounded to 8 bits; and ``saturation``, the level."""
        return self.table()[pixels], {"saturation": float(self.level)}

    def table(self) -> UInt8[np.ndarray, "256"]:
        """What becomes of each 8-bit colour; none of them is exactly mid grey."""
        x = np.arange(256) / 127.5 - 1
        saturated = np.sign(x) * np.abs(x) ** (2 / self.level)
        return np.rint(127.5 * (saturated + 1)).astype(np.uint8)
