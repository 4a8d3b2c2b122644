"""Spatter: drops of water or mud on the lens."""

import cv2
import numpy as np
from jaxtyping import Float, Float32, UInt8
from scipy.ndimage import gaussian_filter

from shapebias.plugins import plugin
from shapebias.stimuli.corruptions._base import Corruption, for_each_colour, to_bytes

WATER = np.array([175, 238, 238], np.float32) / 255
MUD = np.array([63, 42, 20], np.float32) / 255
# Relief filter: the drops are lit from one side.
RELIEF = np.array([[-2, -1, 0], [-1, 1, 1], [0, 1, 2]], np.float32)
# Distance in pixels from the outline of a drop up to which its shade changes.
RIM = 20


@plugin
class Spatter(Corruption):
    """Draw thresholded blurred noise as drops: of water at severity 1 to 3, of mud at 4 and 5.

    `LEVELS` are the mean and the standard deviation of the noise, its blur in pixels, the
    threshold, the strength of the water or the blur of the mud in pixels, and whether it is mud.
    """

    LEVELS = (
        (0.65, 0.3, 4, 0.69, 0.6, False),
        (0.65, 0.3, 3, 0.68, 0.6, False),
        (0.65, 0.3, 2, 0.68, 0.5, False),
        (0.65, 0.3, 1, 0.65, 1.5, True),
        (0.67, 0.4, 1, 0.65, 1.5, True),
    )

    def __call__(
        self, pixels: UInt8[np.ndarray, "row column 3"], *, rng: np.random.Generator
    ) -> UInt8[np.ndarray, "row column 3"]:
        """Add drops to an image."""
        mean, sd, blur, threshold, _, is_mud = self.level
        liquid = gaussian_filter(rng.normal(mean, sd, pixels.shape[:2]), blur, mode="nearest")
        liquid[liquid < threshold] = 0
        colours = pixels / np.float32(255)
        if is_mud:
            cover = for_each_colour(self.mud(liquid))
            return to_bytes(colours * (1 - cover) + cover * MUD)
        return to_bytes(colours + for_each_colour(self.water(liquid)) * WATER)

    def mud(self, liquid: Float[np.ndarray, "row column"]) -> Float32[np.ndarray, "row column"]:
        """Compute the fraction of each pixel that mud covers, in [0, 1]."""
        cover = (liquid > self.level[3]).astype(np.float32)
        cover = gaussian_filter(cover, self.level[4], mode="nearest")
        cover[cover < 0.8] = 0
        return cover

    def water(self, liquid: Float[np.ndarray, "row column"]) -> Float32[np.ndarray, "row column"]:
        """Compute the light that water adds to each pixel, from 0 to its strength."""
        levels = (liquid * 255).astype(np.uint8)
        light = levels * relief(levels).astype(np.float32)
        brightest = light.max()
        return light / brightest * self.level[4] if brightest > 0 else light


def relief(levels: UInt8[np.ndarray, "row column"]) -> UInt8[np.ndarray, "row column"]:
    """Shade drops by the distance to their outlines, by the published calls of OpenCV."""
    distance = outline_distance(levels).clip(max=RIM)
    heights = cv2.equalizeHist(cv2.blur(distance, (3, 3)).astype(np.uint8))
    return cv2.blur(cv2.filter2D(heights, cv2.CV_8U, RELIEF), (3, 3))


def outline_distance(
    levels: UInt8[np.ndarray, "row column"],
) -> Float32[np.ndarray, "row column"]:
    """Compute the distance in pixels from each pixel to the nearest outline of a drop.

    Outlines are found by Canny's method [1]_; distances are chamfer distances with a 5 x 5
    mask [2]_, and very large if there is no outline.

    References
    ----------
    .. [1] Canny (1986). A computational approach to edge detection. IEEE TPAMI.
       :DOI:`10.1109/TPAMI.1986.4767851`
    .. [2] Borgefors (1986). Distance transformations in digital images. Computer Vision, Graphics,
       and Image Processing. :DOI:`10.1016/S0734-189X(86)80047-0`
    """
    return cv2.distanceTransform(255 - cv2.Canny(levels, 50, 150), cv2.DIST_L2, 5)
