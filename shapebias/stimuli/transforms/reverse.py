"""Images with reversed colours, as in a photographic negative."""

import numpy as np
from jaxtyping import UInt8

from shapebias.plugins import plugin


@plugin
class Reverse:
    """Replace every value x in [0, 1] by 1 - x; there are no settings.

    Examples
    --------
    >>> Reverse()(np.full((1, 1, 3), 250, np.uint8))[0].tolist()
    [[[5, 5, 5]]]

    References
    ----------
    .. [1] Itazuri, Fukuhara, Kataoka & Morishima (2019). What do adversarially robust models
       look at? :DOI:`10.48550/arXiv.1905.07666`
    """

    def __call__(
        self,
        pixels: UInt8[np.ndarray, "row column 3"],
        *,
        rng: np.random.Generator | None = None,
        label: str | None = None,
    ) -> tuple[UInt8[np.ndarray, "row column 3"], dict[str, int]]:
        """Reverse the colours of an image; nothing is random or recorded."""
        return 255 - pixels, {}
