"""Elastic transform: the image sheared a little and then stretched like rubber."""

import numpy as np
from jaxtyping import UInt8

from shapebias.stimuli.corruptions._base import Corruption, to_bytes
from shapebias.stimuli.image_ops.gaussian import gaussian_blur
from shapebias.stimuli.image_ops.warp import affine_map, displace, warp_affine

# The published constants are multiples of 244 where the side of the images, 224, was meant.
SHARE_OF_SIDE = 244 / 224


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
        planes = warp_affine(pixels, self.shear(pixels.shape[:2], reach, rng))
        fields = rng.uniform(-1, 1, (2, *pixels.shape[:2])).astype(np.float32)
        right, down = gaussian_blur(fields, smoothness, truncate=3) * np.float32(strength)
        # Bytes are brought into an image's order sooner than floats.
        return np.stack(to_bytes(displace(planes, down, right)), axis=-1)

    def shear(self, shape: tuple[int, int], reach: float, rng: np.random.Generator) -> np.ndarray:
        """Affine map that moves three corners of a central square by up to `reach` pixels."""
        rows, columns = shape
        half = max(min(shape) // 3, 1)
        centre = np.array([columns // 2, rows // 2])
        before = centre + half * np.array([[1, 1], [1, -1], [-1, -1]])
        moved = rng.uniform(-reach, reach, (3, 2)).astype(np.float32)
        return affine_map(before, before.astype(np.float32) + moved)
