"""Low-, high- and band-passed images: the frequencies in a ring about zero."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, UInt8
from scipy.fft import irfft2, rfft2

from shapebias.errors import ShapebiasError

MID_GREY = 127.5


def build(*, inner: float = 0.0, outer: float | None = None) -> "Fourier":
    """Transform that keeps the frequencies from one radius up to another.

    Parameters
    ----------
    inner
        Lowest frequency that is kept, in cycles along the image's shorter side; above 0 it makes
        a high-pass filter.
    outer
        Frequency from which on none is kept, in the same unit, so that None and an `inner` above
        0 is a high-pass, `outer` alone a low-pass, and both a band-pass filter.
    """
    return Fourier(inner=inner, outer=float("inf") if outer is None else outer)


@dataclass(frozen=True, kw_only=True)
class Fourier:
    """Frequencies with ``inner <= radius < outer``, about the centre of the spectrum.

    The radius is the distance from zero frequency, which is the *centre* of the spectrum once
    that is centred; for a square image it is the distance in positions of the spectrum. Where
    the mean colour is filtered out with the low frequencies, mid grey takes its place, since
    otherwise half of what is left would be below black.

    Parameters
    ----------
    inner, outer
        See `build`.

    Notes
    -----
    The filters published with [1]_ take the distance from the middle of a spectrum that was not
    centred, so that their low-pass filter keeps the highest frequencies; this one does not.

    References
    ----------
    .. [1] Zhang & Zhu (2019). Interpreting adversarially trained convolutional neural networks.
       ICML. https://proceedings.mlr.press/v97/zhang19s.html
    """

    inner: float
    outer: float

    def __post_init__(self):
        if not 0 <= self.inner < self.outer or (self.inner, self.outer) == (0, np.inf):
            raise ShapebiasError(
                "fourier needs 0 <= inner < outer and one of the two, not"
                f" inner {self.inner} and outer {self.outer}"
            )

    def __call__(
        self,
        pixels: UInt8[np.ndarray, "row column 3"],
        *,
        rng: np.random.Generator | None = None,
        label: str | None = None,
    ) -> tuple[UInt8[np.ndarray, "row column 3"], dict[str, float]]:
        """Filtered image, clipped and rounded to 8 bits; ``fourier_inner``, ``fourier_outer``.

        Both are in cycles along the shorter side; the outer one is infinite in a high-pass.
        """
        spectrum = rfft2(pixels.astype(np.float64), axes=(0, 1))
        kept = spectrum * self.ring(*pixels.shape[:2])[..., None]
        filtered = irfft2(kept, s=pixels.shape[:2], axes=(0, 1))
        if self.inner > 0:
            filtered += MID_GREY
        drawn = {"fourier_inner": float(self.inner), "fourier_outer": float(self.outer)}
        return np.rint(filtered.clip(0, 255)).astype(np.uint8), drawn

    def ring(self, rows: int, columns: int) -> Bool[np.ndarray, "row half_column"]:
        """Which frequencies are kept, in the order and the half that `rfft2` gives."""
        shorter = min(rows, columns)
        # Whole numbers stay whole for a square image: a radius on the edge is never rounded.
        down = np.fft.fftfreq(rows, 1 / rows).round()[:, None] * (shorter / rows)
        across = np.arange(columns // 2 + 1)[None] * (shorter / columns)
        radius = np.hypot(down, across)
        return (self.inner <= radius) & (radius < self.outer)
