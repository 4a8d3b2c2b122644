"""Images bent: affine maps in OpenCV's arithmetic, and displacement of every pixel."""

import numpy as np
from jaxtyping import Float, Float32, Int, UInt8

# OpenCV rounds coordinates to 1/1024 of a pixel and then cuts them off to 1/32.
FINE, COARSE = 1024, 32
# Bits for each colour of a packed pixel: 8, and 10 for the products of two weights, to spare.
BITS = 21
MASK = (1 << BITS) - 1


def affine_map(
    before: Float[np.ndarray, "3 2"], after: Float[np.ndarray, "3 2"]
) -> Float[np.ndarray, "2 3"]:
    """Matrix of the affine map that takes three points to three others, ``(x, y)`` each."""
    ones = np.ones((3, 1))
    return np.linalg.solve(np.hstack([before, ones]), after).T


def affinely_warped(
    pixels: UInt8[np.ndarray, "row column 3"], matrix: Float[np.ndarray, "2 3"]
) -> Float32[np.ndarray, "3 row column"]:
    """Planes of an affinely mapped image in [0, 1], bilinear, mirrored beyond its borders.

    Parameters
    ----------
    pixels
        Image; its outermost pixels are not repeated where it is mirrored.
    matrix
        Map of the image's points ``(x, y)`` to where they go.
    """
    rows, columns, _ = pixels.shape
    x, y = _origins(matrix, rows, columns)
    column, row = x >> 5, y >> 5
    first, last = (row.min(), column.min()), (row.max() + 1, column.max() + 1)
    down = _mirror(np.arange(first[0], last[0] + 1), rows)
    right = _mirror(np.arange(first[1], last[1] + 1), columns)
    wide = _packed(pixels).take(down, axis=0).take(right, axis=1)
    corner = (row - first[0]) * wide.shape[1] + (column - first[1])
    return _unpacked(_blended(wide, corner, x & 31, y & 31))


def displaced(
    planes: Float32[np.ndarray, "plane row column"],
    down: Float32[np.ndarray, "row column"],
    right: Float32[np.ndarray, "row column"],
) -> Float32[np.ndarray, "plane row column"]:
    """Planes whose every pixel is fetched from elsewhere, bilinear, mirrored at the borders.

    Parameters
    ----------
    planes
        Image; its outermost pixels are repeated where it is mirrored.
    down, right
        Where each pixel is fetched from, in pixels from its own place.
    """
    rows, columns = down.shape
    row, column = np.floor(down), np.floor(right)
    # Whole pixels are taken off first, which leaves the shares as exact as the displacements.
    down, right = down - row, right - column
    row = row.astype(np.intp) + np.arange(rows)[:, None]
    column = column.astype(np.intp) + np.arange(columns)
    top, left = row.min(), column.min()
    low = _half_mirror(np.arange(top, row.max() + 2), rows)
    high = _half_mirror(np.arange(left, column.max() + 2), columns)
    wide = planes.take(low, axis=1).take(high, axis=2)
    corner = (row - top) * wide.shape[2] + (column - left)
    return np.stack([_blended(plane, corner, right, down) for plane in wide])


def _origins(matrix: np.ndarray, rows: int, columns: int) -> tuple[np.ndarray, np.ndarray]:
    """Where each pixel of the warped image comes from: x and y in 32nds of a pixel."""
    (a, b), (c, d) = matrix[:, :2]
    determinant = a * d - b * c
    inverse = np.array([[d, -b], [-c, a]]) / determinant
    shift = -inverse @ matrix[:, 2]
    found = []
    for (along, across), start in zip(inverse, shift, strict=True):
        columns_part = np.rint(along * np.arange(columns) * FINE).astype(np.int64)
        rows_part = np.rint((across * np.arange(rows) + start) * FINE).astype(np.int64)
        half = FINE // COARSE // 2
        found.append((rows_part[:, None] + half + columns_part) >> 5)
    return found[0], found[1]


def _blended(
    plane: np.ndarray, corner: Int[np.ndarray, "row column"], right: np.ndarray, down: np.ndarray
) -> np.ndarray:
    """Bilinear mean of four neighbours, the first of which stands at `corner`.

    Shares that are integers count 32nds, and the mean is times 1024.
    """
    whole = COARSE if right.dtype.kind == "i" else right.dtype.type(1)
    above, below = (
        _between(plane.ravel()[start:], corner, right, whole) for start in (0, plane.shape[1])
    )
    below -= above
    below *= down
    above *= whole
    above += below
    return above


def _between(flat: np.ndarray, corner: np.ndarray, right: np.ndarray, whole: float) -> np.ndarray:
    left, step = flat.take(corner), flat[1:].take(corner)
    step -= left
    step *= right
    left *= whole
    left += step
    return left


def _packed(pixels: np.ndarray) -> np.ndarray:
    """Three colours in one integer, so that one sum blends them all."""
    red, green, blue = (pixels[..., colour].astype(np.int64) for colour in range(3))
    return red | green << BITS | blue << 2 * BITS


def _unpacked(blended: np.ndarray) -> np.ndarray:
    colours = (blended & MASK, (blended >> BITS) & MASK, blended >> 2 * BITS)
    planes = np.stack([colour.astype(np.float32) for colour in colours])
    planes /= 255 * COARSE * COARSE
    return planes


def _mirror(places: np.ndarray, size: int) -> np.ndarray:
    """Places folded into [0, size), the outermost ones not repeated."""
    period = max(2 * (size - 1), 1)
    places = places % period
    return np.minimum(places, period - places) if size > 1 else places * 0


def _half_mirror(places: np.ndarray, size: int) -> np.ndarray:
    """Places folded into [0, size), the outermost ones repeated."""
    places = places % (2 * size)
    return np.minimum(places, 2 * size - 1 - places)
