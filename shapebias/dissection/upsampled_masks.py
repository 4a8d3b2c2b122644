"""Masks of channels as lists of pixels: upsampled only where a map is above its threshold."""

from collections.abc import Iterator

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor
from torch.nn import functional

from shapebias.dissection.upsampling_grid import UpsamplingGrid

# Pixels computed at once: few enough for the caches of a CPU, many enough to occupy a GPU.
PIXELS_CPU, PIXELS_GPU = 2**18, 2**24
# Averages this close to zero could have the wrong sign in float32, relative to the largest value.
ROUNDING = 1e-5


def pixels_above_zero(
    maps: Float[Tensor, "map row column"], grid: UpsamplingGrid
) -> tuple[Int64[Tensor, " active"], Int64[Tensor, " active"]]:
    """Pixels at which bilinearly upsampled maps are above zero.

    An average of four positions is above zero only if one of them is; no others are computed.

    Parameters
    ----------
    maps
        Values of any sign.
    grid
        Grid of the upsampling.

    Returns
    -------
    Index of the map, and of the pixel (row x columns + column); each pixel once.
    """
    parts = [torch.empty(2, 0, dtype=torch.long, device=maps.device)]
    # Padded, so that every pixel is between four positions.
    padded = functional.pad(maps[None], (1, 1, 1, 1), mode="replicate")[0]
    pixels = PIXELS_CPU if maps.device.type == "cpu" else PIXELS_GPU
    for cells in _active_cells(padded).split(max(1, pixels // grid.offset.numel())):
        parts.extend(_active_pixels(maps, padded, cells, grid))
    number, pixel = torch.cat(parts, dim=1)
    return number, pixel


def _active_cells(
    padded: Float[Tensor, "map padded_row padded_column"],
) -> Int64[Tensor, "cell 4"]:
    """Cells with a position above zero: map, row, column, and flat index of the first position."""
    above = padded > 0
    rows_above = above[:, :-1] | above[:, 1:]
    n_rows, n_columns = padded.shape[1] - 1, padded.shape[2] - 1
    cells = (rows_above[:, :, :-1] | rows_above[:, :, 1:]).flatten().nonzero()[:, 0]
    line, column = cells // n_columns, cells % n_columns
    number, row = line // n_rows, line % n_rows
    first = (line + number) * (n_columns + 1) + column
    return torch.stack([number, row, column, first], dim=1)


def _active_pixels(
    maps: Float[Tensor, "map row column"],
    padded: Float[Tensor, "map padded_row padded_column"],
    cells: Int64[Tensor, "cell 4"],
    grid: UpsamplingGrid,
) -> Iterator[Int64[Tensor, "2 _"]]:
    """Map and pixel of the pixels above zero in some cells."""
    rows, columns, size, offset = grid.rows, grid.columns, grid.size, grid.offset
    number, row, column, first = cells.unbind(dim=1)
    flat, width = padded.flatten(), padded.shape[2]
    corners = torch.stack([flat[first + step] for step in (0, 1, width, width + 1)])
    top_left, top_right, bottom_left, bottom_right = corners[..., None]
    top = top_left * columns.lower[column] + top_right * columns.upper[column]
    bottom = bottom_left * columns.lower[column] + bottom_right * columns.upper[column]
    row_lower, row_upper = rows.lower[row][..., None], rows.upper[row][..., None]
    values = (top[:, None] * row_lower + bottom[:, None] * row_upper).flatten(1)
    exact = values.dtype == torch.double
    bound = ROUNDING * corners.abs().amax(dim=0) * (not exact)
    where = (values > -bound[:, None]).flatten().nonzero()[:, 0]
    cell = where // len(offset)
    pixel = (rows.first[row] * size[1] + columns.first[column])[cell] + offset[where % len(offset)]
    candidates = torch.stack([number[cell], pixel])
    unclear = values.flatten()[where] <= bound[cell]
    yield candidates[:, ~unclear]
    if unclear.any():
        candidates = candidates[:, unclear]
        yield candidates[:, _above_zero(maps, *candidates, size)]


def _above_zero(
    maps: Float[Tensor, "map row column"],
    number: Int64[Tensor, " pixel"],
    pixel: Int64[Tensor, " pixel"],
    size: tuple[int, int],
) -> Bool[Tensor, " pixel"]:
    """Whether each pixel is above zero, by upsampling the whole maps."""
    unclear, index = number.unique(return_inverse=True)
    upsampled = functional.interpolate(maps[unclear][:, None], size, mode="bilinear")
    return upsampled.flatten(1)[index, pixel] > 0
