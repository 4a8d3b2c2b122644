"""Spatter: drops of water, or of mud, on the lens."""

import numpy as np
from jaxtyping import Float, UInt8
from scipy.ndimage import gaussian_filter

from shapebias.stimuli.corruptions._base import Corruption, to_bytes
from shapebias.stimuli.image_ops.canny import canny, chamfer_distance

WATER = (175 / 255, 238 / 255, 238 / 255)
MUD = (63 / 255, 42 / 255, 20 / 255)
# Light falls on the drops from one side.
RELIEF = np.array([[-2, -1, 0], [-1, 1, 1], [0, 1, 2]], np.int16)
# Distance in pixels from a drop's outline up to which its shade changes.
RIM = 20
ROWS = 56


def build(*, severity: int) -> "Spatter":
    """Corruption that spatters the lens.

    Parameters
    ----------
    severity
        From 1 to 5: water up to 3, mud from 4 on.
    """
    return Spatter(severity=severity)


class Spatter(Corruption):
    """Blurred noise above a threshold, drawn as drops.

    `LEVELS` are the noise's mean and standard deviation, its blur in pixels, the threshold, the
    strength of water or the blur of mud in pixels, and whether it is mud.
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
        """Image seen through drops."""
        mean, sd, blur, threshold, _, is_mud = self.level
        liquid = gaussian_filter(rng.normal(mean, sd, pixels.shape[:2]), blur, mode="nearest")
        liquid[liquid < threshold] = 0
        cover = self.mud(liquid) if is_mud else self.water(liquid)
        tint = np.tile(np.array(MUD if is_mud else WATER, np.float32), pixels.shape[1])
        spattered = np.empty_like(pixels)
        # A few rows at a time stay in the processor's cache.
        for top in range(0, len(pixels), ROWS):
            block = pixels[top : top + ROWS]
            colours = block.reshape(len(block), -1).astype(np.float32)
            colours /= 255
            drops = np.repeat(cover[top : top + ROWS], 3, axis=1)
            if is_mud:
                colours *= 1 - drops
            drops *= tint
            colours += drops
            spattered[top : top + ROWS] = to_bytes(colours).reshape(block.shape)
        return spattered

    def mud(self, liquid: Float[np.ndarray, "row column"]) -> Float[np.ndarray, "row column"]:
        """How much of each pixel mud covers."""
        cover = (liquid > self.level[3]).astype(np.float32)
        cover = gaussian_filter(cover, self.level[4], mode="nearest")
        cover[cover < 0.8] = 0
        return cover

    def water(self, liquid: Float[np.ndarray, "row column"]) -> Float[np.ndarray, "row column"]:
        """How much light the water adds to each pixel."""
        levels = (liquid * 255).astype(np.uint8)
        light = levels * relief(levels).astype(np.float32)
        brightest = light.max()
        return light / brightest * self.level[4] if brightest > 0 else light


def relief(levels: UInt8[np.ndarray, "row column"]) -> UInt8[np.ndarray, "row column"]:
    """Drops as if they stood out from the lens, from the distances to their outlines."""
    distance = chamfer_distance(canny(levels, 50, 150), RIM)
    heights = equalised(sums_of_nine(distance) / 9)
    lit = correlated(heights.astype(np.int16), RELIEF).clip(0, 255)
    # Ninths never lie half-way between two levels.
    return ((sums_of_nine(lit) + 4) // 9).astype(np.uint8)


def sums_of_nine(plane: np.ndarray) -> np.ndarray:
    """Sum of each pixel and its eight neighbours, mirrored about the outermost pixels."""
    wide = np.pad(plane, 1, mode="reflect" if min(plane.shape) > 1 else "edge")
    tall = wide[:, :-2] + wide[:, 1:-1] + wide[:, 2:]
    return tall[:-2] + tall[1:-1] + tall[2:]


def correlated(plane: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Sum of each pixel and its eight neighbours with weights, mirrored likewise."""
    rows, columns = plane.shape
    wide = np.pad(plane, 1, mode="reflect" if min(plane.shape) > 1 else "edge")
    total = np.zeros_like(plane)
    for down, right in np.argwhere(weights):
        total += weights[down, right] * wide[down : down + rows, right : right + columns]
    return total


def equalised(heights: Float[np.ndarray, "row column"]) -> UInt8[np.ndarray, "row column"]:
    """Heights cut off to whole levels, and these spread so that all are equally frequent."""
    levels = heights.astype(np.uint8)
    counts = np.bincount(levels.ravel(), minlength=256)
    lowest = int(np.flatnonzero(counts)[0])
    above = levels.size - counts[lowest]
    if above == 0:
        return levels
    counts[: lowest + 1] = 0
    table = np.cumsum(counts) * (np.float32(255) / np.float32(above))
    return np.rint(table).clip(0, 255).astype(np.uint8)[levels]
