"""Edges of a grey image and distances from them, in OpenCV's arithmetic."""

import numpy as np
from jaxtyping import Bool, Float32, UInt8
from scipy.ndimage import label

# Tangent of 22.5 degrees in 32768ths.
TANGENT = 13573
# Lengths of the steps to the side, across a corner, and of a knight: 65536ths of a pixel.
SIDE, CORNER, KNIGHT = 65536, 91750, 143976
# Rows at a time: what is worked on stays in the processor's cache.
BLOCK = 112


def canny(
    grey: UInt8[np.ndarray, "row column"], low: int, high: int
) -> Bool[np.ndarray, "row column"]:
    """Edges by Canny's method, with gradients of 3 x 3 pixels whose components are added up.

    Parameters
    ----------
    grey
        Image; its outermost pixels are repeated beyond its borders.
    low, high
        Strength above which a crest of the gradient is an edge where it touches a stronger one,
        and above which it is one by itself.

    References
    ----------
    .. [1] Canny (1986). A computational approach to edge detection. IEEE TPAMI.
       :DOI:`10.1109/TPAMI.1986.4767851`
    """
    across, down = _slopes(grey.astype(np.int16))
    strength = np.pad(np.abs(across) + np.abs(down), 1)
    crests = _crests(across, down, strength, low)
    groups, count = label(crests, np.ones((3, 3)))
    strong = np.zeros(count + 1, bool)
    strong[groups[strength[1:-1, 1:-1] > high]] = True
    strong[0] = False
    return strong[groups]


def chamfer_distance(
    edges: Bool[np.ndarray, "row column"], longest: int
) -> Float32[np.ndarray, "row column"]:
    """Distance from each pixel to the nearest edge in steps of a 5 x 5 mask.

    Parameters
    ----------
    edges
        Where the edges are.
    longest
        Length in whole pixels, at most 126, at which longer distances are cut off.

    References
    ----------
    .. [1] Borgefors (1986). Distance transformations in digital images. Computer Vision, Graphics,
       and Image Processing. :DOI:`10.1016/S0734-189X(86)80047-0`
    """
    rows, _ = edges.shape
    # Along a row the nearest edge is the only one that counts, whatever row is asked from.
    aside = np.pad(_steps_along_rows(edges, longest), ((longest, longest), (0, 0)), mode="edge")
    table = _lengths(longest)
    nearest = np.full(edges.shape, longest, np.float32)
    for top in range(0, rows, BLOCK):
        block = nearest[top : top + BLOCK]
        for steps in range(longest + 1):
            if block.max() <= steps:
                break
            above, below = (
                aside[start : start + len(block)]
                for start in (top + longest - steps, top + longest + steps)
            )
            np.minimum(block, table[steps].take(np.minimum(above, below)), out=block)
    return nearest


def _slopes(grey: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sobel's derivatives to the right and downwards."""
    wide = np.pad(grey, 1, mode="edge")
    down, across = wide[2:] - wide[:-2], wide[:, 2:] - wide[:, :-2]
    return (
        across[:-2] + 2 * across[1:-1] + across[2:],
        down[:, :-2] + 2 * down[:, 1:-1] + down[:, 2:],
    )


def _crests(across: np.ndarray, down: np.ndarray, strength: np.ndarray, low: int) -> np.ndarray:
    """Where the gradient is above `low` and strongest along its own direction."""
    width = strength.shape[1]
    found = np.flatnonzero(strength[1:-1, 1:-1] > low)
    x, y = across.ravel()[found], down.ravel()[found]
    place = (found // across.shape[1] + 1) * width + found % across.shape[1] + 1
    flat, steep = strength.ravel(), np.abs(y).astype(np.int64) << 15
    tangent = np.abs(x).astype(np.int64) * TANGENT
    level, upright = steep < tangent, steep > tangent + (np.abs(x).astype(np.int64) << 16)
    slanted = np.where((x ^ y) < 0, width - 1, width + 1)
    stride = np.where(level, 1, np.where(upright, width, slanted))
    here, before, after = flat[place], flat[place - stride], flat[place + stride]
    # Ties go to the first of two equals, but on slants both lose.
    straight = level | upright
    kept = (here > before) & np.where(straight, here >= after, here > after)
    crests = np.zeros(across.shape, bool)
    crests.ravel()[found[kept]] = True
    return crests


def _steps_along_rows(edges: np.ndarray, longest: int) -> np.ndarray:
    """Columns from each pixel to the nearest edge in its row, at most one more than the longest."""
    aside = np.where(edges, 0, longest + 1).astype(np.uint8)
    stride = 1
    # Any number of columns is a sum of such strides.
    while stride <= min(longest, edges.shape[1] - 1):
        for here, there in (
            (np.s_[:, stride:], np.s_[:, :-stride]),
            (np.s_[:, :-stride], np.s_[:, stride:]),
        ):
            np.minimum(aside[here], aside[there].copy() + np.uint8(stride), out=aside[here])
        stride *= 2
    return aside


def _lengths(longest: int) -> Float32[np.ndarray, "down aside"]:
    """Length of the shortest path by rows down and columns aside, at most the longest."""
    down, aside = np.indices((longest + 1, longest + 2))
    long, short = np.maximum(down, aside), np.minimum(down, aside)
    shallow = (long - 2 * short) * SIDE + short * KNIGHT
    steep = (long - short) * KNIGHT + (2 * short - long) * CORNER
    lengths = np.where(long >= 2 * short, shallow, steep) / SIDE
    return lengths.clip(max=longest).astype(np.float32)
