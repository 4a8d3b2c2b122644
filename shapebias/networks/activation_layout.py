"""Positions of channels, tokens, rows and columns in a layer's output, and its feature maps."""

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from shapebias.errors import ShapebiasError

# Largest number of prefix tokens where a network does not state it: one class token, one
# distillation token and registers.
MAX_PREFIX_TOKENS = 16


@dataclass(frozen=True)
class Layout:
    """Arrangement of a layer's output.

    Attributes
    ----------
    axis
        Of the channels: 1 for (image, channel, row, column), 3 for (image, row, column, channel),
        2 for (image, token, channel), 1 for (image, channel, token).
    n_prefix_tokens
        Class, distillation and register tokens before the tokens of the feature map; None where
        the output has rows and columns.
    order
        Index of the token at each position of the map, row by row, where tokens are stored in
        another order.
    output_index
        Index of the output in the tuple or list that the module returns; None where the module
        returns a tensor.

    Examples
    --------
    >>> tokens = torch.zeros(2, 1 + 14 * 14, 768)
    >>> Layout(axis=2, n_prefix_tokens=1).maps(tokens, (224, 224)).shape
    torch.Size([2, 768, 14, 14])
    """

    axis: int = 1
    n_prefix_tokens: int | None = None
    order: tuple[int, ...] | None = None
    output_index: int | None = None

    def select(self, output: Any) -> Tensor:
        """Select the layer's tensor from its module's output."""
        return output if self.output_index is None else output[self.output_index]

    def replace(self, output: Any, activation: Float[Tensor, "image ..."]) -> Any:
        """Replace the layer's tensor in its module's output."""
        if self.output_index is None:
            return activation
        before, after = output[: self.output_index], output[self.output_index + 1 :]
        return type(output)([*before, activation, *after])

    def channels_first(
        self, activation: Float[Tensor, "image ..."]
    ) -> Float[Tensor, "image channel *position"]:
        """Move the channels to axis 1; positions include prefix tokens."""
        return activation if self.axis == 1 else activation.movedim(self.axis, 1)

    def maps(
        self, activation: Float[Tensor, "image ..."], image_shape: tuple[int, int]
    ) -> Float[Tensor, "image channel row column"]:
        """Feature maps without prefix tokens; a view where possible.

        Parameters
        ----------
        activation
            Output of the layer.
        image_shape
            Rows and columns of the images. Tokens form a map of the same proportions.

        Raises
        ------
        ShapebiasError
            If the number of tokens does not fit these proportions.
        """
        maps = self.channels_first(activation)
        if self.n_prefix_tokens is None:
            return maps
        tokens = maps[:, :, self.n_prefix_tokens :]
        if self.order is not None:
            tokens = tokens[:, :, list(self.order)]
        n_tokens, (height, width) = tokens.shape[2], image_shape
        rows = max(1, round(math.sqrt(n_tokens * height / width)))
        columns = n_tokens // rows
        if rows * columns != n_tokens or not math.isclose(
            rows * width, columns * height, rel_tol=0.2
        ):
            raise ShapebiasError(
                f"{n_tokens} tokens do not form a map with the proportions of {height}×{width} "
                "images; use square images"
            )
        return tokens.unflatten(2, (rows, columns))

    def ablated(
        self, activation: Float[Tensor, "image ..."], channels: Int[Tensor, " channel"]
    ) -> Float[Tensor, "image ..."]:
        """Output with the given channels set to zero at every position and in every token."""
        return activation.index_fill(self.axis, channels, 0.0)

    def ablated_pairs(
        self,
        activation: Float[Tensor, "image ..."],
        image: Int[Tensor, " pair"],
        channel: Int[Tensor, " pair"],
    ) -> Float[Tensor, "pair ..."]:
        """Outputs of pairs of an image and a channel: the image's, with that channel zero."""
        pairs = activation.index_select(0, image)
        self.channels_first(pairs)[torch.arange(len(pairs), device=pairs.device), channel] = 0.0
        return pairs


# Output of a convolution.
NCHW = Layout()


def possible_layouts(
    shape: Sequence[int],
    *,
    channels: int | None = None,
    n_prefix_tokens: int | None = None,
    min_side: int = 2,
) -> list[Layout]:
    """Layouts that an output of the given shape can have, if it holds maps of a square image.

    Parameters
    ----------
    shape
        Shape of the output for one square image, whose maps are then square.
    channels
        Number of channels, where known.
    n_prefix_tokens
        Prefix tokens in most layers of the network, where the network states it.
    min_side
        Smallest number of rows and columns of a map.

    Examples
    --------
    >>> possible_layouts((1, 197, 768))
    [Layout(axis=2, n_prefix_tokens=1, order=None, output_index=None)]
    """
    layouts = []
    if len(shape) == 4:
        layouts += [NCHW] if shape[2] == shape[3] >= min_side else []
        layouts += [Layout(axis=3)] if shape[1] == shape[2] >= min_side else []
    elif len(shape) == 3:
        for axis in (2, 1):
            n_prefix = count_prefix_tokens(shape[3 - axis], n_prefix_tokens)
            layouts += [] if n_prefix is None or shape[axis] == 1 else [Layout(axis, n_prefix)]
    return [layout for layout in layouts if channels in (None, shape[layout.axis])]


def count_prefix_tokens(n_tokens: int, usual: int | None = None) -> int | None:
    """Number of tokens before those of a square map; None where there is no such map.

    `usual` is the number in most layers; blocks before the class token is added have none.
    """
    if usual is not None and n_tokens > usual and _is_square(n_tokens - usual):
        return usual if n_tokens - usual > 1 else None
    side = math.isqrt(n_tokens)
    n_prefix = n_tokens - side**2
    return n_prefix if side > 1 and n_prefix <= MAX_PREFIX_TOKENS else None


def _is_square(number: int) -> bool:
    return math.isqrt(number) ** 2 == number


def in_order(layout: Layout, order: Int[Tensor, "..."]) -> Layout:
    """Layout whose map takes its tokens in the given order, position by position."""
    return dataclasses.replace(layout, order=tuple(order.flatten().long().tolist()))
