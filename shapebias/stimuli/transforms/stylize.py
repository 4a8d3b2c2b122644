"""Stylized images: the content of one image in the texture of another."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import UInt8

from shapebias.errors import ShapebiasError


def build(
    *, stylizer: Callable, styles: Sequence[np.ndarray], style_ids: Sequence[str]
) -> "Stylize":
    """Transform that paints each image in a style drawn for it.

    Parameters
    ----------
    stylizer
        ``stylizer(content, style, rng)`` of uint8 images ``(row, column, 3)``, giving another.
    styles
        Style images, uint8 ``(row, column, 3)``, of any sizes.
    style_ids
        Their names, in the same order.
    """
    return Stylize(stylizer=stylizer, styles=tuple(styles), style_ids=tuple(style_ids))


@dataclass(frozen=True, kw_only=True)
class Stylize:
    """Each image in one style, drawn afresh for it and recorded, as in Stylized-ImageNet.

    Parameters
    ----------
    stylizer
        ``stylizer(content, style, rng)``, see `build`.
    styles
        Style images.
    style_ids
        Their names.

    References
    ----------
    .. [1] Geirhos et al. (2019). ImageNet-trained CNNs are biased towards texture; increasing
       shape bias improves accuracy and robustness. ICLR. :DOI:`10.48550/arXiv.1811.12231`
    """

    stylizer: Callable
    styles: tuple[np.ndarray, ...] = field(repr=False)
    style_ids: tuple[str, ...]

    def __post_init__(self):
        if not self.styles or len(self.styles) != len(self.style_ids):
            raise ShapebiasError(
                "stylize needs at least one style image and one name for each, not"
                f" {len(self.styles)} images and {len(self.style_ids)} names"
            )

    def __call__(
        self,
        pixels: UInt8[np.ndarray, "row column 3"],
        *,
        rng: np.random.Generator,
        label: str | None = None,
    ) -> tuple[UInt8[np.ndarray, "row column 3"], dict[str, str]]:
        """Stylized image; and ``style``, the name of the style image that was drawn."""
        drawn = int(rng.integers(len(self.styles)))
        return self.stylizer(pixels, self.styles[drawn], rng), {"style": self.style_ids[drawn]}
