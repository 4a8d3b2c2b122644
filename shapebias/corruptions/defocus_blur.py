"""Defocus blur: every point becomes a disk, as through an open lens."""

from functools import cache

import numpy as np
from jaxtyping import Float, UInt8
from scipy.fft import irfft2, next_fast_len, rfft2
from scipy.ndimage import correlate1d

from shapebias.corrupting import Corruption, to_bytes


def build(*, severity: int) -> "DefocusBlur":
    """Corruption that puts an image out of focus.

    Parameters
    ----------
    severity
        From 1 to 5.
    """
    return DefocusBlur(severity=severity)


class DefocusBlur(Corruption):
    """Blur by a disk; `LEVELS` are its radius and how much its edge is softened, in pixels."""

    LEVELS = ((3, 0.1), (4, 0.5), (6, 0.5), (8, 0.5), (10, 0.5))

    def __call__(
        self, pixels: UInt8[np.ndarray, "row column 3"], *, rng: np.random.Generator | None = None
    ) -> UInt8[np.ndarray, "row column 3"]:
        """Image out of focus, mirrored about its outermost pixels beyond the borders."""
        rows, columns, _ = pixels.shape
        margin = len(disk(*self.level)) // 2
        planes = _mirrored(pixels, margin).transpose(2, 0, 1) / 255
        size = tuple(next_fast_len(side, real=True) for side in planes.shape[1:])
        spectrum = rfft2(planes, size) * _spectrum(*self.level, size)
        blurred = irfft2(spectrum, size)[:, 2 * margin :, 2 * margin :][:, :rows, :columns]
        return to_bytes(blurred.transpose(1, 2, 0).copy())


@cache
def disk(radius: int, softness: float) -> Float[np.ndarray, "row column"]:
    """Weights of a disk with a softened edge, in single precision as published."""
    reach, taps = (8, 3) if radius <= 8 else (radius, 5)
    places = np.arange(-reach, reach + 1)
    inside = (places[:, None] ** 2 + places**2 <= radius**2).astype(np.float32)
    inside /= inside.sum()
    steps = np.arange(taps) - taps // 2
    weights = np.exp(-(steps**2) / (2 * softness**2))
    weights = (weights / weights.sum()).astype(np.float32)
    for axis in (0, 1):
        inside = correlate1d(inside, weights, axis, mode="mirror")
    return inside


@cache
def _spectrum(radius: int, softness: float, size: tuple[int, int]) -> np.ndarray:
    return rfft2(disk(radius, softness).astype(np.float64), size)


def _mirrored(pixels: np.ndarray, margin: int) -> np.ndarray:
    """Pixels with a margin that repeats them in mirrored order, the outermost ones once."""
    wide = ((margin, margin), (margin, margin), (0, 0))
    return np.pad(pixels, wide, mode="reflect")
