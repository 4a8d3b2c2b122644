"""Values of images with one channel ablated, stored as the unablated values and the channel."""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn import functional

from shapebias.ablation.suffix_graph import PackedLinear

# A subtraction may shrink the largest value of an output by this factor. Its rounding error, 3e-6
# of the unablated output (see `nearly_tied`), then stays within a third of what counts as a tie.
CANCELLED = 10.0
Linear = nn.Conv2d | nn.Linear | PackedLinear


@dataclass(frozen=True)
class AblationPairs:
    """Pairs of an image and the channel that is ablated in it; equal channels are adjacent."""

    image: Int64[Tensor, " pair"]
    channel: Int64[Tensor, " pair"]

    def to(self, device: torch.device) -> "AblationPairs":
        """Copy the pairs to a device."""
        return AblationPairs(self.image.to(device), self.channel.to(device))

    @cached_property
    def by_channel(self) -> list[tuple[int, slice]]:
        """Each channel with the slice of its pairs."""
        channels, counts = self.channel.unique_consecutive(return_counts=True)
        ends = counts.cumsum(0).tolist()
        starts = [0, *ends[:-1]]
        return list(zip(channels.tolist(), map(slice, starts, ends), strict=True))


@dataclass(frozen=True)
class Ablated:
    """Values of pairs, stored as the unablated values of the images.

    Attributes
    ----------
    unablated
        Values of all images; each pair lacks one channel of those of its image.
    pairs
        The pairs.
    width
        Number of consecutive features of a channel: 1 until feature maps are flattened.
    """

    unablated: Float[Tensor, "image feature *map"]
    pairs: AblationPairs
    width: int = 1

    def channel(self) -> Float[Tensor, "pair {self.width} *map"]:
        """Values of the ablated channel of each pair."""
        by_channel = self.unablated.unflatten(1, (-1, self.width))
        return by_channel[self.pairs.image, self.pairs.channel]


def dense(value: Tensor | Ablated) -> Float[Tensor, "pair *feature"]:
    """Values of each pair, with the ablated channel set to zero."""
    if isinstance(value, Tensor):
        return value
    # index_select keeps the memory format.
    values = value.unablated.index_select(0, value.pairs.image)
    by_channel = values.unflatten(1, (-1, value.width))
    by_channel[torch.arange(len(values), device=values.device), value.pairs.channel] = 0.0
    return values


def is_linear(operation: Any) -> bool:
    """Whether `ablate_linear` takes an operation."""
    if type(operation) is nn.Conv2d:
        zeros = operation.padding_mode == "zeros" and not isinstance(operation.padding, str)
        return operation.groups == 1 and zeros
    return type(operation) in (nn.Linear, PackedLinear)


def ablate_linear(
    module: Linear, value: Ablated, unablated: Float[Tensor, "image output *map"]
) -> Float[Tensor, "pair output *map"]:
    """Output of a linear operation for each pair.

    The contribution of the ablated channel is subtracted from the unablated output. Where that
    channel dominates all others the difference has the rounding error of the much larger operands,
    so the operation is computed again without the channel.
    """
    output = _subtract_channel(module, value, unablated)
    before = _max_abs(unablated)[value.pairs.image]
    # Negated so that NaN is recomputed too.
    cancelled = (~(before <= CANCELLED * _max_abs(output))).nonzero().flatten()
    if len(cancelled):
        pairs = AblationPairs(value.pairs.image[cancelled], value.pairs.channel[cancelled])
        output[cancelled] = module(dense(replace(value, pairs=pairs)))
    return output


def _subtract_channel(
    module: Linear, value: Ablated, unablated: Float[Tensor, "image output *map"]
) -> Float[Tensor, "pair output *map"]:
    """Output of a linear operation minus the contribution of the ablated channel of each pair."""
    if not isinstance(module, nn.Conv2d):
        rows = value.channel()[:, None]
        weight = module.weight.unflatten(1, (-1, value.width)).permute(1, 2, 0)
        return _subtract_products(unablated[:, None], rows, weight, value.pairs)[:, 0]
    columns = functional.unfold(
        value.channel(), module.kernel_size, module.dilation, module.padding, module.stride
    )
    weight = module.weight.flatten(2).permute(1, 2, 0)
    maps = unablated.permute(0, 2, 3, 1)
    output = _subtract_products(maps.flatten(1, 2), columns.transpose(1, 2), weight, value.pairs)
    return output.unflatten(1, maps.shape[1:3]).permute(0, 3, 1, 2)


def _subtract_products(
    unablated: Float[Tensor, "image position output"],
    inputs: Float[Tensor, "pair position input"],
    weight: Float[Tensor, "channel input output"],
    pairs: AblationPairs,
) -> Float[Tensor, "pair position output"]:
    outputs = unablated.index_select(0, pairs.image)
    inputs = inputs.contiguous()
    for channel, where in pairs.by_channel:
        rows = outputs[where].flatten(0, 1)
        rows.addmm_(inputs[where].flatten(0, 1), weight[channel], alpha=-1)
    return outputs


def _max_abs(values: Float[Tensor, "row *value"]) -> Float[Tensor, " row"]:
    """Largest absolute value of each row."""
    # Many times as fast as a norm.
    axes = tuple(range(1, values.ndim))
    return torch.maximum(values.amax(axes), -values.amin(axes))
