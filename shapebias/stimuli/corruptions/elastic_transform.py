"""Elastic transform: a small affine map followed by smooth random displacements."""

import cv2
import numpy as np
from jaxtyping import Float64, UInt8
from scipy.ndimage import map_coordinates

from shapebias.plugins import plugin
from shapebias.stimuli.corruptions._base import Corruption, to_bytes
from shapebias.stimuli.image_ops.gaussian import gaussian_blur

# The published constants are multiples of 244 where the side of the images, 224, was meant.
SHARE_OF_SIDE = 244 / 224


@plugin
class ElasticTransform(Corruption):
    """Apply a random affine map, then smooth random displacements.

    `LEVELS` are the strength and the smoothness (a standard deviation) of the displacements, and
    the largest displacement of the affine map's corners, all as fractions of 244 pixels for a
    shorter side of 224.
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
        """Distort an image, mirrored beyond its borders, by calls of the published libraries."""
        shape = pixels.shape[:2]
        side = SHARE_OF_SIDE * min(shape)
        strength, smoothness, reach = (side * fraction for fraction in self.level)
        colours = cv2.warpAffine(
            pixels / np.float32(255),
            self.draw_affine_map(shape, reach, rng),
            shape[::-1],
            borderMode=cv2.BORDER_REFLECT_101,
        )
        noise = rng.uniform(-1, 1, (2, *shape)).astype(np.float32)
        right, down = gaussian_blur(noise, smoothness, truncate=3) * np.float32(strength)
        rows, columns = shape
        sources = np.stack([np.arange(rows)[:, None] + down, np.arange(columns) + right])
        planes = [
            map_coordinates(colours[..., colour], sources, order=1, mode="reflect")
            for colour in range(3)
        ]
        # Bytes are interleaved faster than floats.
        return np.stack(to_bytes(np.stack(planes)), axis=-1)

    def draw_affine_map(
        self, shape: tuple[int, int], reach: float, rng: np.random.Generator
    ) -> Float64[np.ndarray, "2 3"]:
        """Draw an affine map that moves three corners of a central square by up to `reach` pixels.

        The matrix maps points ``(x, y, 1)``.
        """
        rows, columns = shape
        half = max(min(shape) // 3, 1)
        centre = np.array([columns // 2, rows // 2])
        corners = (centre + half * np.array([[1, 1], [1, -1], [-1, -1]])).astype(np.float32)
        shifts = rng.uniform(-reach, reach, (3, 2)).astype(np.float32)
        return cv2.getAffineTransform(corners, corners + shifts)
