"""Low-, high- and band-pass filtered images."""

from typing import Annotated

import numpy as np
from jaxtyping import Bool, UInt8
from scipy.fft import irfft2, rfft2

from shapebias.errors import ShapebiasError
from shapebias.plugins import plugin
from shapebias.ranges import Range

MID_GREY = 127.5


@plugin
class Fourier:
    """Keep the frequencies with ``inner <= radius < outer``.

    The radius is the distance from zero frequency, the *centre* of the centred spectrum. A filter
    that removes the mean colour adds mid grey instead; otherwise half of the values would be
    below black.

    Parameters
    ----------
    inner
        Lowest frequency that is kept, in cycles along the shorter side of the image.
    outer
        Frequency from which on none is kept, in the same unit; None keeps all above `inner`.
        `inner` above 0 alone is a high-pass, `outer` alone a low-pass, both a band-pass filter.

    Notes
    -----
    The filters published with [1]_ measure the distance from the middle of a spectrum that was not
    centred, so their low-pass filter keeps the highest frequencies; this one does not.

    References
    ----------
    .. [1] Zhang & Zhu (2019). Interpreting adversarially trained convolutional neural networks.
       ICML. https://proceedings.mlr.press/v97/zhang19s.html
    """

    inner: Annotated[float, Range(ge=0)] = 0.0
    outer: float | None = None

    def __post_init__(self):
        if not self.inner < self.cutoff or (self.inner, self.cutoff) == (0, np.inf):
            raise ShapebiasError(
                f"fourier: inner is {self.inner} and outer is {self.outer}; set inner above 0,"
                " or outer above inner, or both"
            )

    @property
    def cutoff(self) -> float:
        """`outer` as a number: infinite for a high-pass filter."""
        return np.inf if self.outer is None else self.outer

    def __call__(
        self,
        pixels: UInt8[np.ndarray, "row column 3"],
        *,
        rng: np.random.Generator | None = None,
        label: str | None = None,
    ) -> tuple[UInt8[np.ndarray, "row column 3"], dict[str, float]]:
        """Filter an image, clip it and round it to 8 bits; nothing is random.

        Returns
        -------
        The image; ``fourier_inner`` and ``fourier_outer``, in cycles along the shorter side; the
        latter is infinite for a high-pass filter.
        """
        spectrum = rfft2(pixels.astype(np.float64), axes=(0, 1))
        spectrum *= self.passband(*pixels.shape[:2])[..., None]
        filtered = irfft2(spectrum, s=pixels.shape[:2], axes=(0, 1))
        if self.inner > 0:
            filtered += MID_GREY
        drawn = {"fourier_inner": float(self.inner), "fourier_outer": float(self.cutoff)}
        return np.rint(filtered.clip(0, 255)).astype(np.uint8), drawn

    def passband(self, rows: int, columns: int) -> Bool[np.ndarray, "row half_column"]:
        """Mark the frequencies that are kept, in the layout of `rfft2`."""
        shorter = min(rows, columns)
        # Integers stay integers for a square image, so a radius on an edge is not rounded.
        down = np.fft.fftfreq(rows, 1 / rows).round()[:, None] * (shorter / rows)
        across = np.arange(columns // 2 + 1)[None] * (shorter / columns)
        radius = np.hypot(down, across)
        return (self.inner <= radius) & (radius < self.cutoff)
