"""Elastic transform: the image sheared a little and then stretched like rubber."""

from functools import cache

import numpy as np
from jaxtyping import Float32, UInt8

from shapebias.corrupting import Corruption, to_bytes
from shapebias.warping import affine_map, affinely_warped, displaced

# The published constants are multiples of 244 where the side of the images, 224, was meant.
SHARE_OF_SIDE = 244 / 224
# Pixels of a line that are blurred together.
PART = 16


def build(*, severity: int) -> "ElasticTransform":
    """Corruption that bends an image.

    Parameters
    ----------
    severity
        From 1 to 5.
    """
    return ElasticTransform(severity=severity)


class ElasticTransform(Corruption):
    """A random affine map, then smooth random displacements.

    `LEVELS` are the strength and the smoothness (a standard deviation) of the displacements and
    the reach of the affine map's, all as shares of 244 pixels for a shorter side of 224.
    """

    LEVELS = (
        (2, 0.7, 0.1),
        (2, 0.08, 0.2),
        (0.05, 0.01, 0.02),
        (0.07, 0.01, 0.02),
        (0.12, 0.01, 0.02),
    )

    def __call__(
        self, pixels: UInt8[np.ndarray, "row column 3"], *, rng: np.random.Generator
    ) -> UInt8[np.ndarray, "row column 3"]:
        """Bent image, mirrored where it does not reach."""
        side = SHARE_OF_SIDE * min(pixels.shape[:2])
        strength, smoothness, reach = (side * share for share in self.level)
        planes = affinely_warped(pixels, self.shear(pixels.shape[:2], reach, rng))
        fields = rng.uniform(-1, 1, (2, *pixels.shape[:2])).astype(np.float32)
        right, down = smoothed(fields, smoothness) * np.float32(strength)
        # Bytes are brought into an image's order sooner than floats.
        return np.stack(to_bytes(displaced(planes, down, right)), axis=-1)

    def shear(self, shape: tuple[int, int], reach: float, rng: np.random.Generator) -> np.ndarray:
        """Affine map that moves three corners of a central square by up to `reach` pixels."""
        rows, columns = shape
        half = max(min(shape) // 3, 1)
        centre = np.array([columns // 2, rows // 2])
        before = centre + half * np.array([[1, 1], [1, -1], [-1, -1]])
        moved = rng.uniform(-reach, reach, (3, 2)).astype(np.float32)
        return affine_map(before, before.astype(np.float32) + moved)


def smoothed(
    fields: Float32[np.ndarray, "field row column"], sigma: float
) -> Float32[np.ndarray, "field row column"]:
    """Fields blurred by a Gaussian of any width, mirrored at the borders.

    Products of matrices take the same short time however wide the Gaussian is.
    """
    along, both = np.empty_like(fields), np.empty_like(fields)
    for part, source, weights in smoothing(fields.shape[2], sigma):
        np.matmul(fields[..., source], weights.T, out=along[..., part])
    for part, source, weights in smoothing(fields.shape[1], sigma):
        np.matmul(weights, along[:, source], out=both[:, part])
    return both


@cache
def smoothing(size: int, sigma: float) -> list[tuple[slice, slice, np.ndarray]]:
    """Gaussian blur of a line of pixels, cut off at three standard deviations, as matrices.

    Returns
    -------
    For each part of the line the pixels that bear on it, and their weights ``(out, in)``.
    """
    radius = int(3 * sigma + 0.5)
    steps = np.arange(-radius, radius + 1)
    weights = np.exp(-(steps**2) / (2 * sigma**2))
    places = (np.arange(size)[:, None] + steps) % (2 * size)
    places = np.minimum(places, 2 * size - 1 - places)
    matrix = np.zeros((size, size))
    np.add.at(matrix, (np.arange(size)[:, None], places), weights / weights.sum())
    parts = [slice(start, start + PART) for start in range(0, size, PART)]
    sources = [slice(max(0, one.start - radius), one.stop + radius) for one in parts]
    return [
        (part, source, matrix[part, source].astype(np.float32))
        for part, source in zip(parts, sources, strict=True)
    ]
