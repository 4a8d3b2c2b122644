"""Snow: bright slanted flakes over a whitened image."""

import numpy as np
from jaxtyping import Float, UInt8

from shapebias.plugins import plugin
from shapebias.stimuli.corruptions._base import Corruption, for_each_colour, to_bytes
from shapebias.stimuli.image_ops.motion_blur import motion_blur
from shapebias.stimuli.image_ops.zoom import zoom

# Weights of red, green and blue in luma (Rec. 601).
LUMA = np.array([0.299, 0.587, 0.114], np.float32)


@plugin
class Snow(Corruption):
    """Whiten an image and add two layers of thresholded, motion-blurred noise.

    `LEVELS` are the mean and the standard deviation of the noise, its enlargement, the threshold
    below which it is set to 0, radius and sigma of the motion blur in pixels, and the weight of the
    original against the whitened image.
    """

    LEVELS = (
        (0.1, 0.3, 3, 0.5, 10, 4, 0.8),
        (0.2, 0.3, 2, 0.5, 12, 4, 0.7),
        (0.55, 0.3, 4, 0.9, 12, 8, 0.7),
        (0.55, 0.3, 4.5, 0.85, 12, 8, 0.65),
        (0.55, 0.3, 2.5, 0.85, 12, 12, 0.55),
    )

    def __call__(
        self, pixels: UInt8[np.ndarray, "row column 3"], *, rng: np.random.Generator
    ) -> UInt8[np.ndarray, "row column 3"]:
        """Add snow to an image; the second layer of flakes is the first one turned by 180°."""
        flakes = self.draw_flakes(pixels.shape[:2], rng)
        weight = self.level[-1]
        colours = pixels.astype(np.float32) / 255
        white = for_each_colour(colours @ LUMA * 1.5 + 0.5)
        snowy = weight * colours + (1 - weight) * np.maximum(colours, white)
        return to_bytes(snowy + for_each_colour(flakes + flakes[::-1, ::-1]))

    def draw_flakes(
        self, shape: tuple[int, int], rng: np.random.Generator
    ) -> Float[np.ndarray, "row column"]:
        """Draw one layer of flakes, in [0, 1]."""
        mean, sd, enlargement, threshold, radius, sigma, _ = self.level
        noise = zoom(rng.normal(mean, sd, shape), enlargement)
        noise[noise < threshold] = 0
        angle = rng.uniform(-135, -45)
        return motion_blur(to_bytes(noise), radius=radius, sigma=sigma, angle=angle) / 255
