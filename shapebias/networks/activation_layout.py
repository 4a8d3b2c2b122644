"""Where in a layer's output its channels and places lie, and the feature maps that it holds."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from shapebias.errors import ShapebiasError

# Most tokens that may stand before those of a map where a network does not say how many: a class
# token, one of distillation, and registers.
LEADING = 16


@dataclass(frozen=True)
class Layout:
    """How a layer's output is laid out.

    Attributes
    ----------
    axis
        Of the channels: 1 for (image, channel, row, column), 3 for (image, row, column, channel),
        2 for (image, token, channel), 1 for (image, channel, token).
    leading
        Tokens that stand before those of the map, of class, distillation or registers; None where
        the output has rows and columns.
    order
        Token of each place of the map, row by row, where they do not stand in this order.
    item
        Place of the output in the tuple or list that the module gives; None where it is alone.
    """

    axis: int = 1
    leading: int | None = None
    order: tuple[int, ...] | None = None
    item: int | None = None

    def inside(self, given: Any) -> Tensor:
        """The layer's output in what its module gives."""
        return given if self.item is None else given[self.item]

    def put_back(self, given: Any, output: Tensor) -> Any:
        """What the module gives, with another output in it."""
        if self.item is None:
            return output
        return type(given)([*given[: self.item], output, *given[self.item + 1 :]])

    def by_channel(self, output: Tensor) -> Float[Tensor, "image channel *place"]:
        """The output with its channels after the images, all tokens among the places."""
        return output if self.axis == 1 else output.movedim(self.axis, 1)

    def maps(
        self, output: Tensor, image: tuple[int, int]
    ) -> Float[Tensor, "image channel row column"]:
        """Feature maps, without leading tokens; a view wherever that can be.

        Parameters
        ----------
        output
            Of the layer.
        image
            Rows and columns of the images: tokens form a map of the same proportions.

        Raises
        ------
        ShapebiasError
            If the tokens form no such map.
        """
        maps = self.by_channel(output)
        if self.leading is None:
            return maps
        places = maps[:, :, self.leading :]
        if self.order is not None:
            places = places[:, :, list(self.order)]
        number = places.shape[2]
        rows = max(1, round(math.sqrt(number * image[0] / image[1])))
        if number % rows or not math.isclose(
            rows * image[1], number // rows * image[0], rel_tol=0.2
        ):
            raise ShapebiasError(
                f"{number} tokens form no map of the proportions of {image[0]}×{image[1]} images"
            )
        return places.unflatten(2, (rows, -1))

    def silent(self, output: Tensor, channels: Int64[Tensor, " channel"]) -> Tensor:
        """The output with some channels zero at every place and in every token."""
        return output.index_fill(self.axis, channels, 0.0)

    def silent_runs(
        self, output: Tensor, image: Int64[Tensor, " run"], channel: Int64[Tensor, " run"]
    ) -> Tensor:
        """The outputs of some images, each with one channel zero."""
        runs = output.index_select(0, image)
        self.by_channel(runs)[torch.arange(len(runs), device=runs.device), channel] = 0.0
        return runs


# As convolutions give them.
NCHW = Layout()


def possible_layouts(
    shape: Sequence[int],
    *,
    channels: int | None = None,
    leading: int | None = None,
    least: int = 2,
) -> list[Layout]:
    """Layouts that an output of some shape can have, if it holds maps of a square image.

    Parameters
    ----------
    shape
        Of the output for one square image, whose maps are then square.
    channels
        Their number, where it is known.
    leading
        Tokens before those of a map in most layers of the network, where it says so.
    ge
        Rows and columns of the smallest map.
    """
    found = []
    if len(shape) == 4:
        found += [NCHW] if shape[2] == shape[3] >= least else []
        found += [Layout(axis=3)] if shape[1] == shape[2] >= least else []
    elif len(shape) == 3:
        for axis in (2, 1):
            first = leading_tokens(shape[3 - axis], leading)
            found += [] if first is None or shape[axis] == 1 else [Layout(axis, first)]
    return [one for one in found if channels in (None, shape[one.axis])]


def leading_tokens(tokens: int, usual: int | None = None) -> int | None:
    """Tokens before those of a square map; None where that would be too many.

    `usual` is their number in most layers: blocks before the class token joins have none.
    """
    if usual is not None and tokens > usual and _is_square(tokens - usual):
        return usual if tokens - usual > 1 else None
    side = math.isqrt(tokens)
    first = tokens - side**2
    return first if side > 1 and first <= LEADING else None


def _is_square(number: int) -> bool:
    return math.isqrt(number) ** 2 == number


def in_order(layout: Layout, order: Tensor) -> Layout:
    """A layout whose map takes its tokens in an order, given place by place."""
    return replace(layout, order=tuple(order.flatten().long().tolist()))
