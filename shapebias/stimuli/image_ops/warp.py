"""Images bent: affine maps in OpenCV's arithmetic, and displacement of every pixel."""

import numpy as np
from jaxtyping import Float, Float32, Int, UInt8

# OpenCV rounds coordinates to 1/1024 of a pixel and then cuts them off to 1/32.
FINE, COARSE = 1024, 32
# Bits for each colour of a packed pixel: 8, and 10 for the product of two weights, to spare.
BITS = 21
MASK = (1 << BITS) - 1
# Rows at a time: what is worked on stays in the processor's cache.
BLOCK = 112


def affine_map(
    before: Float[np.ndarray, "3 2"], after: Float[np.ndarray, "3 2"]
) -> Float[np.ndarray, "2 3"]:
    """Matrix of the affine map that takes three points to three others, ``(x, y)`` each."""
    return np.linalg.solve(np.hstack([before, np.ones((3, 1))]), after).T


def warp_affine(
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
    (x_of_row, x_of_column), (y_of_row, y_of_column) = _origins(matrix, rows, columns)
    down, right = _reached(y_of_row, y_of_column), _reached(x_of_row, x_of_column)
    wide = _packed(pixels).take(_mirror(down, rows), axis=0).take(_mirror(right, columns), axis=1)
    planes = np.empty((3, rows, columns), np.float32)
    for block in _blocks(rows):
        x, y = ((x_of_row[block] + x_of_column) >> 5, (y_of_row[block] + y_of_column) >> 5)
        corner = ((y >> 5) - down[0]) * len(right) + ((x >> 5) - right[0])
        planes[:, block] = _unpacked(_blended(wide, corner, x & 31, y & 31))
    planes /= 255 * COARSE * COARSE
    return planes


def displace(
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
    margins = [_margins(way) for way in (down, right)]
    wide = np.pad(planes, ((0, 0), *margins), mode="symmetric")
    width = wide.shape[2]
    row_places = (np.arange(len(down))[:, None] + margins[0][0]) * width
    column_places = np.arange(down.shape[1]) + margins[1][0]
    fetched = np.empty_like(planes)
    for block in _blocks(len(down)):
        # Whole pixels are taken off first, which leaves the shares as exact as they came.
        row, column = np.floor(down[block]), np.floor(right[block])
        corner = row.astype(np.intp) * width + row_places[block]
        corner += column.astype(np.intp) + column_places
        shares = right[block] - column, down[block] - row
        for source, plane in zip(wide, fetched, strict=True):
            plane[block] = _blended(source, corner, *shares)
    return fetched


def _blocks(rows: int) -> list[slice]:
    return [slice(top, top + BLOCK) for top in range(0, rows, BLOCK)]


def _margins(way: np.ndarray) -> tuple[int, int]:
    """Pixels that displacements and interpolation reach beyond the first and the last one."""
    return max(0, -int(np.floor(way.min()))), max(0, int(np.floor(way.max())) + 1)


def _origins(matrix: np.ndarray, rows: int, columns: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Where pixels of the warped image come from: x, then y, in 1024ths of a pixel.

    Each is a sum of what a row ``(row, 1)`` and what a column ``(column,)`` contributes.
    """
    (a, b), (c, d) = matrix[:, :2]
    inverse = np.array([[d, -b], [-c, a]]) / (a * d - b * c)
    starts = -inverse @ matrix[:, 2]
    half = FINE // COARSE // 2
    return [
        (
            np.rint((across * np.arange(rows)[:, None] + start) * FINE).astype(np.int64) + half,
            np.rint(along * np.arange(columns) * FINE).astype(np.int64),
        )
        for (along, across), start in zip(inverse, starts, strict=True)
    ]


def _reached(of_row: np.ndarray, of_column: np.ndarray) -> np.ndarray:
    """Whole pixels that places in 1024ths reach, and one more."""
    first = (of_row.min() + of_column.min()) // FINE
    last = (of_row.max() + of_column.max()) // FINE
    return np.arange(first, last + 2)


def _blended(
    plane: np.ndarray, corner: Int[np.ndarray, "row column"], right: np.ndarray, down: np.ndarray
) -> np.ndarray:
    """Bilinear mean of four neighbours, the first of which stands at `corner`.

    Shares that are integers count 32nds, and the mean is times 1024.
    """
    whole = COARSE if right.dtype.kind == "i" else right.dtype.type(1)
    flat = plane.ravel()
    above = _between(flat, corner, right, whole)
    below = _between(flat[plane.shape[1] :], corner, right, whole)
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
    packed = pixels[..., 2].astype(np.int64)
    for colour in (1, 0):
        packed <<= BITS
        packed |= pixels[..., colour]
    return packed


def _unpacked(blended: np.ndarray) -> tuple[np.ndarray, ...]:
    return blended & MASK, (blended >> BITS) & MASK, blended >> 2 * BITS


def _mirror(places: np.ndarray, size: int) -> np.ndarray:
    """Places folded into [0, size), the outermost ones not repeated."""
    period = max(2 * (size - 1), 1)
    places = places % period
    return np.minimum(places, period - places) if size > 1 else places
