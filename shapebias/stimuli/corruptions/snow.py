"""Snow: bright flakes that fall aslant, over an image that whitens."""

import numpy as np
from jaxtyping import Float, UInt8

from shapebias.stimuli.corruptions._base import Corruption, for_each_colour, to_bytes
from shapebias.stimuli.image_ops.motion_blur import motion_blur
from shapebias.stimuli.image_ops.zoom import zoom

# Shares of red, green and blue in brightness (Rec. 601).
BRIGHTNESS = np.array([0.299, 0.587, 0.114], np.float32)


def build(*, severity: int) -> "Snow":
    """Corruption that lets it snow.

    Parameters
    ----------
    severity
        From 1 to 5.
    """
    return Snow(severity=severity)


class Snow(Corruption):
    """Blurred noise above a threshold, laid over the image twice.

    `LEVELS` are the noise's mean and standard deviation, its enlargement, the brightness below
    which it is no flake, radius and sigma of the flakes' fall in pixels, and the share of the
    image that does not whiten.
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
        """Image in falling snow."""
        flakes = self.flakes(pixels.shape[:2], rng)
        share = self.level[-1]
        colours = pixels.astype(np.float32) / 255
        white = for_each_colour(colours @ BRIGHTNESS * 1.5 + 0.5)
        snowy = share * colours + (1 - share) * np.maximum(colours, white)
        return to_bytes(snowy + for_each_colour(flakes + flakes[::-1, ::-1]))

    def flakes(
        self, shape: tuple[int, int], rng: np.random.Generator
    ) -> Float[np.ndarray, "row column"]:
        """One layer of flakes, in [0, 1]."""
        mean, sd, enlargement, threshold, radius, sigma, _ = self.level
        noise = zoom(rng.normal(mean, sd, shape), enlargement)
        noise[noise < threshold] = 0
        angle = rng.uniform(-135, -45)
        return motion_blur(to_bytes(noise), radius=radius, sigma=sigma, angle=angle) / 255
