"""Base class of the corruptions of ImageNet-C, and conversion of colours to bytes.

Formulas and constants are those of Hendrycks & Dietterich (2019), made for images of 224 x 224
pixels. Constants in pixels stay the same at every other size. What the published code ties to 224
scales with the image: the region that glass blur visits, the size of the fog, the crop of the
frost, and the distances of `elastic_transform`, which are shares of the side. The published images
were stored as JPEG of quality 85; images made here are not compressed.
"""

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
from jaxtyping import Float, UInt8

from shapebias.errors import UnknownName

SEVERITIES = (1, 2, 3, 4, 5)


@dataclass(frozen=True, kw_only=True)
class Corruption:
    """One corruption at one severity: ``corruption(pixels, rng=rng)`` returns a corrupted image.

    Subclasses define `LEVELS`, their constants at the five severities, and `__call__`, which takes
    pixels of uint8 ``(row, column, 3)`` of any size, draws from the generator only, and returns
    pixels of the same shape.

    Parameters
    ----------
    severity
        From 1 (weak) to 5 (strong).

    References
    ----------
    .. [1] Hendrycks & Dietterich (2019). Benchmarking neural network robustness to common
       corruptions and perturbations. ICLR. :DOI:`10.48550/arXiv.1903.12261`
    """

    severity: Literal[1, 2, 3, 4, 5]
    LEVELS: ClassVar[tuple]

    def __post_init__(self):
        # True equals 1, so the annotation allows it.
        if isinstance(self.severity, bool):
            raise UnknownName(f"severity of corruptions/{self.kind}", self.severity, SEVERITIES)

    @property
    def kind(self) -> str:
        """Name of the corruption, which is that of its file."""
        return type(self).__module__.rpartition(".")[2]

    @property
    def level(self) -> Any:
        """Constants at this severity."""
        return self.LEVELS[self.severity - 1]


def to_bytes(colours: Float[np.ndarray, "*shape"]) -> UInt8[np.ndarray, "*shape"]:
    """Clip colours to [0, 1] in place and truncate them to 8 bits, as the published code does."""
    colours.clip(0, 1, out=colours)
    colours *= 255
    return colours.astype(np.uint8)


def for_each_colour(
    layer: Float[np.ndarray, "row column"],
) -> Float[np.ndarray, "row column 3"]:
    """Repeat a layer for the three colours, which is much faster to add than a broadcast one."""
    return np.repeat(layer, 3, axis=1).reshape(*layer.shape, 3)
