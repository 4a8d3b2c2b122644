"""Stylized images: the content of one image in the texture of another."""

from collections.abc import Callable, Sequence
from dataclasses import field

import numpy as np
from jaxtyping import UInt8

from shapebias.errors import ShapebiasError
from shapebias.plugins import plugin


@plugin
class Stylize:
    """Paint each image in a random style, which is recorded, as in Stylized-ImageNet.

    Parameters
    ----------
    stylizer
        Plug-in of the family `stylizers` with its settings. As a function,
        ``stylizer(content, style, rng)`` of uint8 images ``(row, column, 3)`` returns another.
    styles
        Style images of any sizes. A study gives the name of their image set.
    style_ids
        Their names, in the same order.

    References
    ----------
    .. [1] Geirhos et al. (2019). ImageNet-trained CNNs are biased towards texture; increasing
       shape bias improves accuracy and robustness. ICLR. :DOI:`10.48550/arXiv.1811.12231`
    """

    stylizer: Callable
    styles: Sequence[UInt8[np.ndarray, "_ _ 3"]] = field(repr=False)
    style_ids: Sequence[str]

    def __post_init__(self):
        if not self.styles or len(self.styles) != len(self.style_ids):
            raise ShapebiasError(
                f"stylize: there are {len(self.styles)} style images and {len(self.style_ids)}"
                " names; at least one image, and one name for each, is required"
            )

    def __call__(
        self,
        pixels: UInt8[np.ndarray, "row column 3"],
        *,
        rng: np.random.Generator,
        label: str | None = None,
    ) -> tuple[UInt8[np.ndarray, "row column 3"], dict[str, str]]:
        """Stylize an image.

        Returns
        -------
        The image; and ``style``, the name of the style image that was drawn.
        """
        index = int(rng.integers(len(self.styles)))
        return self.stylizer(pixels, self.styles[index], rng), {"style": self.style_ids[index]}
