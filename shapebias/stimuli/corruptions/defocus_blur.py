"""Defocus blur: every point becomes a disk, as through an open lens."""

from functools import cache, lru_cache

import numpy as np
from jaxtyping import Float, UInt8
from scipy.fft import irfft2, next_fast_len, rfft2

from shapebias.stimuli.corruptions._base import Corruption

# In levels, more than the error of transforms in single precision. Flat parts of an image come out
# at a whole level but for the last digits of the disk's sum, which decide whether the level below
# it is what remains when they are cut off; so they are given more weight than that error.
NUDGE = np.float32(1e-4)


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
        wide = pixels.take(_mirrored(rows, margin), axis=0).take(_mirrored(columns, margin), axis=1)
        size = tuple(next_fast_len(side, real=True) for side in wide.shape[:2])
        weights = _spectrum(*self.level, size)
        nudge = np.copysign(NUDGE, disk(*self.level).sum(dtype=np.float64) - 1)
        planes = np.empty((3, rows, columns), np.uint8)
        # One colour at a time stays in the processor's cache.
        for colour, plane in enumerate(planes):
            spectrum = rfft2(wide[..., colour].astype(np.float32), size)
            spectrum *= weights
            blurred = irfft2(spectrum, size, overwrite_x=True)[margin:, margin:][:rows, :columns]
            blurred += nudge
            plane[:] = blurred.clip(0, 255)
        return np.stack(planes, axis=-1)


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
    return _softened(_softened(inside.T, weights).T, weights)


def _softened(plane: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Rows blurred, mirrored at the borders; sums of single precision, which leave its marks."""
    middle = len(weights) // 2
    wide = np.pad(plane, ((middle, middle), (0, 0)), mode="reflect")
    parts = [wide[start : start + len(plane)] for start in range(len(weights))]
    total = weights[middle] * parts[middle]
    for step in range(1, middle + 1):
        total += weights[middle + step] * (parts[middle - step] + parts[middle + step])
    return total


@lru_cache(maxsize=8)
def _spectrum(radius: int, softness: float, size: tuple[int, int]) -> np.ndarray:
    """Spectrum of the disk around the first pixel, which is real because the disk is symmetric."""
    weights = np.zeros(size)
    kernel = disk(radius, softness)
    weights[: len(kernel), : len(kernel)] = kernel
    return rfft2(np.roll(weights, (-(len(kernel) // 2),) * 2, axis=(0, 1))).real.astype(np.float32)


def _mirrored(size: int, margin: int) -> np.ndarray:
    """Places of a line with a margin that repeats it in mirrored order, its ends only once."""
    period = max(2 * (size - 1), 1)
    places = np.arange(-margin, size + margin) % period
    return np.minimum(places, period - places) if size > 1 else places * 0
