"""Masks of channels as lists of pixels: upsampled only where a map is above its threshold."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn import functional

from shapebias.networks.receptive_fields import Field, Fields

# Pixels that are looked at at a time: so few that they stay in a processor's caches, and so many
# that a graphics card is busy.
PIXELS, PIXELS_ON_CARD = 2**18, 2**24
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
    # The values at the edges go on outside, so that every pixel lies between four places.
    padded = functional.pad(maps[None], (1, 1, 1, 1), mode="replicate")[0]
    pixels = PIXELS if maps.device.type == "cpu" else PIXELS_ON_CARD
    for cells in _touched(padded).split(max(1, pixels // grid.offset.numel())):
        found.extend(_within(maps, padded, cells, grid))
    number, pixel = torch.cat(found, dim=1)
    return number, pixel


@dataclass(frozen=True)
class Targets:
    """Pixels along one axis after upsampling, by the two places of a map that they lie between.

    Row i is of those between places i - 1 and i; the first and the last row are of those before
    the first place and after the last. `first` is a row's first pixel; `low` and `high`, the
    weights of its two places for its first pixel, its second and so on, are not numbers where
    another row has more pixels.
    """

    first: Int64[Tensor, " row"]
    low: Float[Tensor, "row target"]
    high: Float[Tensor, "row target"]

    @classmethod
    def half_pixel(cls, length: int, target_length: int) -> "Targets":
        """Those of one length upsampled to another; both begin and end at the image's edges."""
        # Of the unit vectors upsampling gives its own weights, as it rounds them.
        unit = torch.eye(length)[None, :, :, None]
        weights = functional.interpolate(unit, (target_length, 1), mode="bilinear")[0, :, :, 0]
        return cls._by_place((weights > 0).float().argmax(dim=0), weights)

    @classmethod
    def aligned(cls, length: int, target_length: int, field: Field, image_length: int) -> "Targets":
        """Those of a map each of whose places lies at the middle of what it sees.

        Before the first of these middles and after the last one their value goes on.
        """
        pixels = (torch.arange(target_length).double() + 0.5) * image_length / target_length - 0.5
        along = ((pixels - field.centre(0)) / field.stride).clamp(0, length - 1)
        place, number = along.floor().long(), torch.arange(target_length)
        weights = torch.zeros(length + 1, target_length, dtype=torch.double)
        weights[place, number] = 1 - (along - place)
        weights[place + 1, number] = along - place
        return cls._by_place(place, weights[:-1])

    @classmethod
    def _by_place(cls, place: Tensor, weights: Float[Tensor, "place target"]) -> "Targets":
        """Those of pixels at or after a place, by the weights of all places."""
        length, number = weights.shape
        nothing = weights.new_zeros(1, number)
        padded = torch.cat([nothing, weights, nothing])
        # A pixel that has the first place's value alone counts as before it. Rounded, its weight
        # is 1 where the second place's is not yet 0.
        alone = (weights[0] == 1) & (weights[1:] == 0).all(dim=0)
        row = torch.where(alone, 0, place + 1)
        count = row.bincount(minlength=length + 1)
        first = count.cumsum(0) - count
        low, high = (weights.new_full((length + 1, int(count.max())), torch.nan) for _ in range(2))
        every = torch.arange(number)
        offset = every - first[row]
        low[row, offset], high[row, offset] = padded[row, every], padded[row + 1, every]
        return cls(first, low, high)

    def to(self, device: torch.device) -> "Targets":
        """The same on a device."""
        return Targets(*(one.to(device) for one in (self.first, self.low, self.high)))


@dataclass(frozen=True)
class UpsamplingGrid:
    """Where the places of a map lie after upsampling to `size`.

    Where a pixel is zero up to rounding, a grid of half-pixel centres leaves the decision to
    `torch.nn.functional.interpolate`; an aligned one computes in double precision.
    """

    rows: Targets
    columns: Targets
    size: tuple[int, int]

    @property
    def offset(self) -> Int64[Tensor, " pixel"]:
        """How far the pixels of a cell, four places and what lies between, are from its first."""
        rows, columns = (
            torch.arange(one.low.shape[1], device=one.low.device)
            for one in (self.rows, self.columns)
        )
        return (rows[:, None] * self.size[1] + columns).flatten()

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


def _touched(padded: Float[Tensor, "map row column"]) -> Int64[Tensor, "cell 4"]:
    """Cells with a place above zero: map, row, column, and number of their first place."""
    above = padded > 0
    down = above[:, :-1] | above[:, 1:]
    rows, columns = padded.shape[1] - 1, padded.shape[2] - 1
    cells = (down[:, :, :-1] | down[:, :, 1:]).flatten().nonzero()[:, 0]
    line, column = cells // columns, cells % columns
    number, row = line // rows, line % rows
    first = (line + number) * (columns + 1) + column
    return torch.stack([number, row, column, first], dim=1)


def _within(
    maps: Float[Tensor, "map row column"],
    padded: Float[Tensor, "map padded_row padded_column"],
    cells: Int64[Tensor, "cell 4"],
    grid: UpsamplingGrid,
) -> Iterator[Int64[Tensor, "2 found"]]:
    rows, columns, size, offset = grid.rows, grid.columns, grid.size, grid.offset
    number, row, column, first = cells.unbind(dim=1)
    values, across = padded.flatten(), padded.shape[2]
    corners = torch.stack([values[first + step] for step in (0, 1, across, across + 1)])
    one, two, three, four = corners[..., None]
    upper = one * columns.low[column] + two * columns.high[column]
    lower = three * columns.low[column] + four * columns.high[column]
    values = upper[:, None] * rows.low[row][..., None] + lower[:, None] * rows.high[row][..., None]
    values = values.flatten(1)
    exact = values.dtype == torch.double
    bound = ROUNDING * corners.abs().amax(dim=0) * (not exact)
    where = (values > -bound[:, None]).flatten().nonzero()[:, 0]
    cell = where // len(offset)
    pixel = (rows.first[row] * size[1] + columns.first[column])[cell] + offset[where % len(offset)]
    found = torch.stack([number[cell], pixel])
    unclear = values.flatten()[where] <= bound[cell]
    yield found[:, ~unclear]
    if unclear.any():
        found = found[:, unclear]
        yield found[:, _decided(maps, *found, size)]


def _decided(maps: Tensor, number: Tensor, pixel: Tensor, size: tuple[int, int]) -> Tensor:
    """Which of these pixels are above zero, by upsampling the whole maps."""
    unclear, place = number.unique(return_inverse=True)
    whole = functional.interpolate(maps[unclear][:, None], size, mode="bilinear")
    return whole.flatten(1)[place, pixel] > 0
