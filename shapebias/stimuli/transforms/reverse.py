"""Images with reversed colours, as in a photographic negative."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import UInt8


def build() -> "Reverse":
    """Transform that turns every colour x in [0, 1] into 1 - x; it has no settings."""
    return Reverse()


@dataclass(frozen=True)
class Reverse:
    """Colour reversal; twice over it gives the image back.

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
        """Reversed image; nothing is drawn for it."""
        return 255 - pixels, {}
