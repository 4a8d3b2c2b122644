"""Masks of channels as lists of pixels: upsampled only where a map is above its threshold."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn import functional

from shapebias.receptive_fields import Field, Fields

# Pixels that are looked at at a time, so that they stay in a processor's caches.
PIXELS = 2**18
# Where the rounding of float32 could tell, relative to the largest value that is averaged.
ROUNDING = 1e-5


def pixels_above_zero(
    maps: Float[Tensor, "map row column"], grid: "Grid"
) -> tuple[Int64[Tensor, " found"], Int64[Tensor, " found"]]:
    """Pixels at which maps that are upsampled bilinearly are above zero.

    An average of four neighbours is above zero only if one of them is: the others are not
    computed.

    Parameters
    ----------
    maps
        Values of any sign.
    grid
        Where each place of a map lies after upsampling.

    Returns
    -------
    The map and the pixel (row x columns + column) of each, every one once.
    """
    found = [torch.empty(2, 0, dtype=torch.long, device=maps.device)]
    area = grid.rows.index.shape[1] * grid.columns.index.shape[1]
    for cells in _touched(maps).nonzero().split(max(1, PIXELS // area)):
        found.extend(_within(maps, cells, grid))
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
    def half_pixel(cls, length: int, target_length: int) -> "Targets":
        """Those of one length upsampled to another; both begin and end at the image's edges."""
        # Of the unit vectors upsampling gives its own weights, as it rounds them.
        unit = torch.eye(length)[None, :, :, None]
        weights = functional.interpolate(unit, (target_length, 1), mode="bilinear")[0, :, :, 0]
        place = (weights > 0).float().argmax(dim=0)
        following = (place + 1).clamp(max=length - 1)
        low, high = (weights.gather(0, one[None])[0] for one in (place, following))
        # At the end there is no next place, and the last one has the whole weight.
        return cls._by_place(length, place, low, high * (following > place))

    @classmethod
    def aligned(cls, length: int, target_length: int, field: Field, image_length: int) -> "Targets":
        """Those of a map each of whose places lies at the middle of what it sees.

        Before the first of these middles and after the last one their value goes on.
        """
        pixels = (torch.arange(target_length).double() + 0.5) * image_length / target_length - 0.5
        along = ((pixels - field.centre(0)) / field.stride).clamp(0, length - 1)
        place = along.floor().long()
        return cls._by_place(length, place, 1 - (along - place), along - place)

    @classmethod
    def _by_place(cls, length: int, place: Tensor, low: Tensor, high: Tensor) -> "Targets":
        count = place.bincount(minlength=length)
        offset = torch.arange(len(place)) - (count.cumsum(0) - count)[place]
        index = torch.zeros(length, int(count.max()), dtype=torch.long)
        index[place, offset] = torch.arange(len(place))
        weights = []
        for weight in (low, high):
            weights.append(torch.full(index.shape, torch.nan, dtype=weight.dtype))
            weights[-1][place, offset] = weight
        return cls(index, *weights)

    def to(self, device: torch.device) -> "Targets":
        """The same on a device."""
        return Targets(*(one.to(device) for one in (self.index, self.low, self.high)))


@dataclass(frozen=True)
class Grid:
    """Where the places of a map lie after upsampling to `size`.

    Where a pixel is zero up to rounding, a grid of half-pixel centres leaves the decision to
    `torch.nn.functional.interpolate`; an aligned one computes in double precision.
    """

    rows: Targets
    columns: Targets
    size: tuple[int, int]

    @classmethod
    def of(
        cls,
        shape: tuple[int, int],
        size: tuple[int, int],
        device: torch.device,
        *,
        fields: Fields | None = None,
        image: tuple[int, int] | None = None,
    ) -> "Grid":
        """Grid of half-pixel centres, or one aligned with receptive fields in an image.

        Where every place sees the whole image the two are the same.
        """
        axes = zip(shape, size, fields or (None, None), image or size, strict=True)
        if fields is None or not all(field.stride for field in fields):
            found = [Targets.half_pixel(length, target) for length, target, *_ in axes]
        else:
            found = [Targets.aligned(*axis) for axis in axes]
        return cls(*(one.to(device) for one in found), size)


def _touched(maps: Float[Tensor, "map row column"]) -> Tensor:
    """Places that are above zero, or whose next in a row, a column or both is."""
    above = maps > 0
    down = above.clone()
    down[:, :-1] |= above[:, 1:]
    touched = down.clone()
    touched[:, :, :-1] |= down[:, :, 1:]
    return touched


def _within(
    maps: Float[Tensor, "map row column"], cells: Int64[Tensor, "cell 3"], grid: Grid
) -> Iterator[Int64[Tensor, "2 found"]]:
    rows, columns, size = grid.rows, grid.columns, grid.size
    number, row, column = cells.unbind(dim=1)
    below, right = (row + 1).clamp(max=maps.shape[1] - 1), (column + 1).clamp(max=maps.shape[2] - 1)
    corners = torch.stack([maps[number, r, c] for r in (row, below) for c in (column, right)])
    one, two, three, four = corners[..., None]
    upper = one * columns.low[column] + two * columns.high[column]
    lower = three * columns.low[column] + four * columns.high[column]
    values = upper[:, None] * rows.low[row][..., None] + lower[:, None] * rows.high[row][..., None]
    exact = values.dtype == torch.double
    bound = 0 if exact else ROUNDING * corners.abs().amax(dim=0)[:, None, None]
    for unclear, where in ((False, values > bound), (True, values.abs() <= bound)):
        if unclear and exact:
            return
        cell, r, c = where.nonzero().unbind(dim=1)
        pixel = rows.index[row[cell], r] * size[1] + columns.index[column[cell], c]
        found = torch.stack([number[cell], pixel])
        yield found[:, _decided(maps, *found, size)] if unclear else found


def _decided(maps: Tensor, number: Tensor, pixel: Tensor, size: tuple[int, int]) -> Tensor:
    """Which of these pixels are above zero, by upsampling the whole maps."""
    unclear, place = number.unique(return_inverse=True)
    whole = functional.interpolate(maps[unclear][:, None], size, mode="bilinear")
    return whole.flatten(1)[place, pixel] > 0
