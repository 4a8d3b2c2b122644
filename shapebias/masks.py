"""Masks of channels as lists of pixels: upsampled only where a map is above its threshold."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn import functional

# Pixels that are looked at at a time, so that they stay in a processor's caches.
PIXELS = 2**18
# Where the rounding of float32 could tell, relative to the largest value that is averaged.
ROUNDING = 1e-5


def pixels_above_zero(
    maps: Float[Tensor, "map row column"], size: tuple[int, int]
) -> tuple[Int64[Tensor, " found"], Int64[Tensor, " found"]]:
    """Pixels at which maps that are upsampled bilinearly (half-pixel centres) are above zero.

    An average of four neighbours is above zero only if one of them is: the others are not
    computed. Where an average is zero up to rounding, `torch.nn.functional.interpolate` decides.

    Parameters
    ----------
    maps
        Values of any sign.
    size
        Rows and columns after upsampling.

    Returns
    -------
    The map and the pixel (row x columns + column) of each, every one once.
    """
    found = [torch.empty(2, 0, dtype=torch.long, device=maps.device)]
    rows, columns = (
        Targets.of(*lengths, maps.device) for lengths in zip(maps.shape[1:], size, strict=True)
    )
    area = rows.index.shape[1] * columns.index.shape[1]
    for cells in _touched(maps).nonzero().split(max(1, PIXELS // area)):
        found.extend(_within(maps, cells, rows, columns, size))
    number, pixel = torch.cat(found, dim=1)
    return number, pixel


@dataclass(frozen=True)
class Targets:
    """Places along one axis after upsampling, by the place before it that they follow.

    Each row has as many as any has; `low` and `high`, the weights of that place and of the next,
    are not numbers where there are fewer.
    """

    index: Int64[Tensor, "place target"]
    low: Float[Tensor, "place target"]
    high: Float[Tensor, "place target"]

    @classmethod
    def of(cls, length: int, target_length: int, device: torch.device) -> "Targets":
        """Those of one length upsampled to another."""
        # Of the unit vectors upsampling gives its own weights, as it rounds them.
        unit = torch.eye(length)[None, :, :, None]
        weights = functional.interpolate(unit, (target_length, 1), mode="bilinear")[0, :, :, 0]
        place = (weights > 0).float().argmax(dim=0)
        count = place.bincount(minlength=length)
        offset = torch.arange(target_length) - (count.cumsum(0) - count)[place]
        index = torch.zeros(length, int(count.max()), dtype=torch.long)
        low, high = (torch.full(index.shape, torch.nan) for _ in range(2))
        index[place, offset] = torch.arange(target_length)
        low[place, offset] = weights.gather(0, place[None])[0]
        following = (place + 1).clamp(max=length - 1)
        # At the end there is no next place, and the last one has the whole weight.
        high[place, offset] = weights.gather(0, following[None])[0] * (following > place)
        return cls(*(one.to(device) for one in (index, low, high)))


def _touched(maps: Float[Tensor, "map row column"]) -> Tensor:
    """Places that are above zero, or whose next in a row, a column or both is."""
    above = maps > 0
    down = above.clone()
    down[:, :-1] |= above[:, 1:]
    touched = down.clone()
    touched[:, :, :-1] |= down[:, :, 1:]
    return touched


def _within(
    maps: Float[Tensor, "map row column"],
    cells: Int64[Tensor, "cell 3"],
    rows: Targets,
    columns: Targets,
    size: tuple[int, int],
) -> Iterator[Int64[Tensor, "2 found"]]:
    number, row, column = cells.unbind(dim=1)
    below, right = (row + 1).clamp(max=maps.shape[1] - 1), (column + 1).clamp(max=maps.shape[2] - 1)
    corners = torch.stack([maps[number, r, c] for r in (row, below) for c in (column, right)])
    one, two, three, four = corners[..., None]
    upper = one * columns.low[column] + two * columns.high[column]
    lower = three * columns.low[column] + four * columns.high[column]
    values = upper[:, None] * rows.low[row][..., None] + lower[:, None] * rows.high[row][..., None]
    bound = ROUNDING * corners.abs().amax(dim=0)[:, None, None]
    for unclear, where in ((False, values > bound), (True, values.abs() <= bound)):
        cell, r, c = where.nonzero().unbind(dim=1)
        pixel = rows.index[row[cell], r] * size[1] + columns.index[column[cell], c]
        found = torch.stack([number[cell], pixel])
        yield found[:, _decided(maps, *found, size)] if unclear else found


def _decided(maps: Tensor, number: Tensor, pixel: Tensor, size: tuple[int, int]) -> Tensor:
    """Which of these pixels are above zero, by upsampling the whole maps."""
    unclear, place = number.unique(return_inverse=True)
    whole = functional.interpolate(maps[unclear][:, None], size, mode="bilinear")
    return whole.flatten(1)[place, pixel] > 0
