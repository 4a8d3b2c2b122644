"""What the corruptions of ImageNet-C have in common: five severities, and how floats become bytes.

All formulas and constants are those of Hendrycks & Dietterich (2019), made for 224 x 224 pixels.
At any other size the same constants hold, in pixels; what the published code ties to 224 (the
region that glass blur visits, the size of the fog, the crop of the frost) follows the image, and
so do the distances of `elastic_transform`, which are given as shares of the side. The published
images were stored as JPEG of quality 85 afterwards; here they stay as computed.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Float, UInt8

from shapebias.errors import ShapebiasError

SEVERITIES = (1, 2, 3, 4, 5)


@dataclass(frozen=True, kw_only=True)
class Corruption:
    """One corruption at one severity: ``corruption(pixels, rng=rng)`` gives the corrupted image.

    Members define `LEVELS`, their constants at the five severities, and `__call__`, which takes
    pixels of uint8 ``(row, column, 3)`` of any size, draws from the generator only, and gives
    pixels of the same shape.

    Parameters
    ----------
    severity
        From 1, the weakest, to 5.

    References
    ----------
    .. [1] Hendrycks & Dietterich (2019). Benchmarking neural network robustness to common
       corruptions and perturbations. ICLR. :DOI:`10.48550/arXiv.1903.12261`
    """

    severity: int
    LEVELS: ClassVar[tuple]

    def __post_init__(self):
        if isinstance(self.severity, bool) or self.severity not in SEVERITIES:
            raise ShapebiasError(
                f"{self.kind} needs a severity of 1, 2, 3, 4 or 5, not {self.severity!r}"
            )

    @property
    def kind(self) -> str:
        """Name of the corruption: that of its file."""
        return type(self).__module__.rpartition(".")[2]

    @property
    def level(self) -> Any:
        """Constants at this severity."""
        return self.LEVELS[self.severity - 1]


def to_bytes(colours: Float[np.ndarray, "*shape"]) -> UInt8[np.ndarray, "*shape"]:
    """Colours clipped to [0, 1], times 255, cut off to whole levels; the argument is used up.

    The published code cuts off and does not round.
    """
    colours.clip(0, 1, out=colours)
    colours *= 255
    return colours.astype(np.uint8)


def for_each_colour(
    layer: Float[np.ndarray, "row column"],
) -> Float[np.ndarray, "row column 3"]:
    """Layer repeated for the three colours; much faster to add than one that is broadcast."""
    return np.repeat(layer, 3, axis=1).reshape(*layer.shape, 3)
