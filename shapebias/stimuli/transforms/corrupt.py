"""Corrupted images: noise, blur, weather and digital artefacts of ImageNet-C."""

from collections.abc import Callable

import numpy as np
from jaxtyping import UInt8

from shapebias.plugins import plugin


@plugin
class Corrupt:
    """Apply one corruption at one severity, with independent random numbers for each image.

    Parameters
    ----------
    corruption
        Plug-in of the family `corruptions` with its settings. As a function,
        ``corruption(pixels, rng=rng)`` returns the corrupted image; its `kind` and `severity` are
        recorded.

    References
    ----------
    .. [1] Hendrycks & Dietterich (2019). Benchmarking neural network robustness to common
       corruptions and perturbations. ICLR. :DOI:`10.48550/arXiv.1903.12261`
    """

    corruption: Callable

    def __call__(
        self,
        pixels: UInt8[np.ndarray, "row column 3"],
        *,
        rng: np.random.Generator,
        label: str | None = None,
    ) -> tuple[UInt8[np.ndarray, "row column 3"], dict[str, str | int]]:
        """Corrupt an image.

        Returns
        -------
        The image; ``corruption``, its kind; and ``severity``, from 1 to 5.
        """
        drawn = {"corruption": self.corruption.kind, "severity": self.corruption.severity}
        return self.corruption(pixels, rng=rng), drawn
