"""Corrupted images: noise, blur, weather and digital artefacts of ImageNet-C."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import UInt8


def build(*, corruption: Callable) -> "Corrupt":
    """Transform that corrupts an image.

    Parameters
    ----------
    corruption
        ``corruption(pixels, rng=rng)`` gives the corrupted image; its `kind` and `severity` are
        recorded. In a study, the entry of a plug-in in `shapebias.corruptions`.
    """
    return Corrupt(corruption=corruption)


@dataclass(frozen=True, kw_only=True)
class Corrupt:
    """One corruption at one severity, its noise drawn afresh for each image.

    Parameters
    ----------
    corruption
        See `build`.

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
        """Corrupted image; and the ``corruption`` and its ``severity``, from 1 to 5."""
        drawn = {"corruption": self.corruption.kind, "severity": self.corruption.severity}
        return self.corruption(pixels, rng=rng), drawn
