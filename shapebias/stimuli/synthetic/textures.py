"""Textures of synthetic scenes: fine patterns of lightness with values in [-1, 1].

A pattern is a function of points in units of its period (about four pixels in an image of 64), so
it is fine-grained at every image size.
"""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float

Plane = Float[np.ndarray, "row column"]
TURN = np.float32(2 * np.pi)


def stripes(x: Plane, y: Plane, rng: np.random.Generator) -> Plane:
    """Vertical stripes."""
    return np.sin(TURN * x)


def checks(x: Plane, y: Plane, rng: np.random.Generator) -> Plane:
    """Checkerboard of squares half a period wide, with soft edges."""
    return np.clip(2.5 * np.sin(TURN * x / 2) * np.sin(TURN * y / 2), -1, 1)


def waves(x: Plane, y: Plane, rng: np.random.Generator) -> Plane:
    """Horizontal wavy stripes."""
    return np.sin(TURN * y + np.float32(1.6) * np.sin(TURN * x / 3))


def dots(x: Plane, y: Plane, rng: np.random.Generator) -> Plane:
    """Light dots in a hexagonal arrangement."""
    height = np.float32(np.sqrt(3) / 2)
    waves = [np.cos(TURN * (x * a + y * b)) for a, b in ((0, height), (0.75, height / 2))]
    waves.append(np.cos(TURN * (0.75 * x - y * height / 2)))
    return np.clip(np.float32(0.9) * sum(waves) - np.float32(0.6), -1, 1)


def hatching(x: Plane, y: Plane, rng: np.random.Generator) -> Plane:
    """Stripes that rise to the right."""
    return np.sin(TURN * (x + y) * np.float32(np.sqrt(0.5)))


def bricks(x: Plane, y: Plane, rng: np.random.Generator) -> Plane:
    """Rows of bricks with dark joints, each shifted by half a brick."""
    course = np.floor(y * np.float32(0.75))
    height = np.abs(y * np.float32(0.75) - course - np.float32(0.5))
    length = (x / 2 + course / 2) % 1
    across = np.abs(length - np.float32(0.5)) * 2
    joint = np.maximum(height, np.float32(0.5) - (np.float32(0.5) - across / 2) * 1.4)
    return np.clip((np.float32(0.36) - joint) * 14, -1, 0.6)


def grid(x: Plane, y: Plane, rng: np.random.Generator) -> Plane:
    """Grid of light lines."""
    lines = np.maximum(np.cos(TURN * x / np.float32(1.2)), np.cos(TURN * y / np.float32(1.2)))
    return np.clip(2 * lines - 1, -1, 1)


def speckle(x: Plane, y: Plane, rng: np.random.Generator) -> Plane:
    """Random squares of random lightness, half a period wide."""
    column, row = np.floor(2 * x).astype(int), np.floor(2 * y).astype(int)
    column, row = column - column.min(), row - row.min()
    lightness = rng.uniform(-1.2, 1.2, (row.max() + 1, column.max() + 1)).astype(np.float32)
    return np.clip(lightness[row, column], -1, 1)


# Order matters: the k-th texture and the k-th shape belong to the same class.
TEXTURES: dict[str, Callable[[Plane, Plane, np.random.Generator], Plane]] = {
    function.__name__: function
    for function in (stripes, checks, waves, dots, hatching, bricks, grid, speckle)
}
