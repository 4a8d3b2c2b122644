"""Weights of bilinear upsampling, by half-pixel centres or aligned with receptive fields."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn import functional

from shapebias.networks.receptive_fields import Field, Fields


@dataclass(frozen=True)
class AxisWeights:
    """Interpolation weights along one axis, grouped by the two positions next to each pixel.

    Row i is of the pixels between positions i - 1 and i of the map; the first and last row are of
    the pixels before the first position and after the last.

    Attributes
    ----------
    first
        First pixel of each row.
    lower, upper
        Weights of the two positions for each pixel of the row; NaN after its last pixel.
    """

    first: Int64[Tensor, " row"]
    lower: Float[Tensor, "row pixel"]
    upper: Float[Tensor, "row pixel"]

    @classmethod
    def half_pixel(cls, length: int, target_length: int) -> "AxisWeights":
        """Weights with half-pixel centres: map and mask begin and end at the image's edges."""
        # Upsampled unit vectors are torch's own weights, with torch's rounding.
        unit = torch.eye(length)[None, :, :, None]
        weights = functional.interpolate(unit, (target_length, 1), mode="bilinear")[0, :, :, 0]
        return cls._by_position((weights > 0).float().argmax(dim=0), weights)

    @classmethod
    def aligned(
        cls, length: int, target_length: int, field: Field, image_length: int
    ) -> "AxisWeights":
        """Weights with each position at the centre of its receptive field.

        Before the first of these centres and after the last, their values are constant.
        """
        pixels = (torch.arange(target_length).double() + 0.5) * image_length / target_length - 0.5
        along = ((pixels - field.centre(0)) / field.stride).clamp(0, length - 1)
        position, number = along.floor().long(), torch.arange(target_length)
        weights = torch.zeros(length + 1, target_length, dtype=torch.double)
        weights[position, number] = 1 - (along - position)
        weights[position + 1, number] = along - position
        return cls._by_position(position, weights[:-1])

    @classmethod
    def _by_position(
        cls, position: Int64[Tensor, " target"], weights: Float[Tensor, "position target"]
    ) -> "AxisWeights":
        """Group pixels by the last position at or before them, given the weights of all."""
        length, number = weights.shape
        zeros = weights.new_zeros(1, number)
        padded = torch.cat([zeros, weights, zeros])
        # A pixel with the value of the first position alone counts as before it: in floating point
        # its weight can be 1 while that of the second position is not yet 0.
        first_alone = (weights[0] == 1) & (weights[1:] == 0).all(dim=0)
        row = torch.where(first_alone, 0, position + 1)
        count = row.bincount(minlength=length + 1)
        first = count.cumsum(0) - count
        lower, upper = (
            weights.new_full((length + 1, int(count.max())), torch.nan) for _ in range(2)
        )
        pixel = torch.arange(number)
        offset = pixel - first[row]
        lower[row, offset], upper[row, offset] = padded[row, pixel], padded[row + 1, pixel]
        return cls(first, lower, upper)

    def to(self, device: torch.device) -> "AxisWeights":
        """Copy the weights to a device."""
        return AxisWeights(self.first.to(device), self.lower.to(device), self.upper.to(device))


@dataclass(frozen=True)
class UpsamplingGrid:
    """Interpolation weights of maps that are upsampled to `size`, (rows, columns).

    Where a pixel is zero up to rounding, a grid of half-pixel centres leaves the decision to
    `torch.nn.functional.interpolate`; an aligned grid computes in double precision.
    """

    rows: AxisWeights
    columns: AxisWeights
    size: tuple[int, int]

    @property
    def offset(self) -> Int64[Tensor, " pixel"]:
        """Offset of each pixel of a cell from its first pixel; a cell is between four positions."""
        rows, columns = (
            torch.arange(axis.lower.shape[1], device=axis.lower.device)
            for axis in (self.rows, self.columns)
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
    ) -> "UpsamplingGrid":
        """Grid of half-pixel centres, or one aligned with receptive fields.

        Parameters
        ----------
        shape
            Rows and columns of the maps.
        size
            Rows and columns of the masks.
        device
            Device of the maps.
        fields
            Receptive fields along rows and columns; None for half-pixel centres, which are also
            used if every position sees the whole image.
        image
            Rows and columns of the images; only with `fields`.
        """
        axes = zip(shape, size, fields or (None, None), image or size, strict=True)
        if fields is None or not all(field.stride for field in fields):
            weights = [AxisWeights.half_pixel(length, target) for length, target, *_ in axes]
        else:
            weights = [AxisWeights.aligned(*axis) for axis in axes]
        rows, columns = (axis.to(device) for axis in weights)
        return cls(rows, columns, size)
