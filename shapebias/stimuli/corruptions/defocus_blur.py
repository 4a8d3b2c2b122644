"""Defocus blur: every point becomes a disk, as with an open aperture."""

from functools import cache, lru_cache

import numpy as np
from jaxtyping import Float32, Int, UInt8
from scipy.fft import irfft2, next_fast_len, rfft2

from shapebias.plugins import plugin
from shapebias.stimuli.corruptions._base import Corruption

# In levels; larger than the error of Fourier transforms in single precision. Uniform regions come
# out at a whole level up to the rounding of the disk's sum, whose sign decides whether truncation
# yields the level below. Shifting by this amount in the same direction keeps that decision.
NUDGE = np.float32(1e-4)


@plugin
class DefocusBlur(Corruption):
    """Blur with a disk; `LEVELS` are its radius and the softness of its edge, in pixels."""

    LEVELS = ((3, 0.1), (4, 0.5), (6, 0.5), (8, 0.5), (10, 0.5))

    def __call__(
        self, pixels: UInt8[np.ndarray, "row column 3"], *, rng: np.random.Generator | None = None
    ) -> UInt8[np.ndarray, "row column 3"]:
        """Blur an image, mirrored about its edge pixels; nothing is random."""
        rows, columns, _ = pixels.shape
        margin = len(disk(*self.level)) // 2
        padded = pixels.take(_mirrored(rows, margin), axis=0)
        padded = padded.take(_mirrored(columns, margin), axis=1)
        size = tuple(next_fast_len(side, real=True) for side in padded.shape[:2])
        weights = _spectrum(*self.level, size)
        nudge = np.copysign(NUDGE, disk(*self.level).sum(dtype=np.float64) - 1)
        planes = np.empty((3, rows, columns), np.uint8)
        # One colour at a time fits in the processor's cache.
        for colour, plane in enumerate(planes):
            spectrum = rfft2(padded[..., colour].astype(np.float32), size)
            spectrum *= weights
            blurred = irfft2(spectrum, size, overwrite_x=True)[margin:, margin:][:rows, :columns]
            blurred += nudge
            plane[:] = blurred.clip(0, 255)
        return np.stack(planes, axis=-1)


@cache
def disk(radius: int, softness: float) -> Float32[np.ndarray, "side side"]:
    """Compute the weights of a disk with a softened edge, in single precision as published."""
    reach, taps = (8, 3) if radius <= 8 else (radius, 5)
    offsets = np.arange(-reach, reach + 1)
    inside = (offsets[:, None] ** 2 + offsets**2 <= radius**2).astype(np.float32)
    inside /= inside.sum()
    steps = np.arange(taps) - taps // 2
    weights = np.exp(-(steps**2) / (2 * softness**2))
    weights = (weights / weights.sum()).astype(np.float32)
    return _blur_columns(_blur_columns(inside.T, weights).T, weights)


def _blur_columns(
    plane: Float32[np.ndarray, "row column"], weights: Float32[np.ndarray, " tap"]
) -> Float32[np.ndarray, "row column"]:
    """Blur along columns, mirrored at the borders; the order of the sums is that of OpenCV."""
    middle = len(weights) // 2
    padded = np.pad(plane, ((middle, middle), (0, 0)), mode="reflect")
    parts = [padded[start : start + len(plane)] for start in range(len(weights))]
    total = weights[middle] * parts[middle]
    for step in range(1, middle + 1):
        total += weights[middle + step] * (parts[middle - step] + parts[middle + step])
    return total


@lru_cache(maxsize=8)
def _spectrum(
    radius: int, softness: float, size: tuple[int, int]
) -> Float32[np.ndarray, "row half_column"]:
    """Compute the spectrum of the disk about the first pixel; it is real by symmetry."""
    weights = np.zeros(size)
    kernel = disk(radius, softness)
    weights[: len(kernel), : len(kernel)] = kernel
    return rfft2(np.roll(weights, (-(len(kernel) // 2),) * 2, axis=(0, 1))).real.astype(np.float32)


def _mirrored(size: int, margin: int) -> Int[np.ndarray, " padded"]:
    """Indices of a line of `size` pixels with a mirrored margin; the end pixels are not doubled."""
    period = max(2 * (size - 1), 1)
    indices = np.arange(-margin, size + margin) % period
    return np.minimum(indices, period - indices) if size > 1 else indices * 0
