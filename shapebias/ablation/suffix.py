"""What follows a layer, run again for one silent channel at a time on no more than it changes."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import torch
from jaxtyping import Float, Int64
from torch import Tensor, fx, nn
from torch.nn import functional

from shapebias.ablation.suffix_graph import PackedLinear, suffix_graph
from shapebias.networks.activation_layout import NCHW, Layout
from shapebias.networks.classifier import Classifier

# How often smaller than the intact output the largest value may be that a subtraction leaves: its
# rounding, 3e-6 as `nearly_tied` says, then stays within a third of what is taken for a tie.
CANCELLED = 10.0
# Operations that treat each channel alone and give zero for a channel of zeros.
CHANNELWISE = (
    nn.AdaptiveAvgPool2d, nn.AvgPool2d, nn.Dropout, nn.Flatten, nn.Identity, nn.MaxPool2d,
    nn.ReLU, nn.ReLU6, functional.relu, torch.flatten, torch.relu,
)  # fmt: skip


class Suffixes:
    """Class scores of a network without single channels.

    Parameters
    ----------
    model
        Network in eval mode.

    Notes
    -----
    A channel that is set to zero stays zero through a ReLU and through pooling. The convolution or
    linear layer that reads it is linear, so its output is the intact one less the channel's own
    contribution: a global average pooling before the last linear layer makes this a closed form.
    From there on everything changes, and is run with batch norms folded into the convolutions
    before them. So scores agree with those of the network up to rounding.
    """

    def __init__(self, model: Classifier):
        segments = [*map(model.modules_of, model.layers), model.modules_of(None)]
        self._layers = dict(zip(model.layers, range(1, len(segments)), strict=True))
        self._segments = [_Segment(suffix_graph(modules)) for modules in segments[1:]]
        self._layouts = {layer: model.layout(layer) for layer in model.layers}

    def after(self, layer: str, activation: Tensor) -> "After":
        """What follows a layer, for the images of which it gave this output."""
        segments, layout = self._segments[self._layers[layer] - 1 :], self._layouts[layer]
        if layout == NCHW:
            activation = activation.contiguous(memory_format=torch.channels_last)
        return After(segments, activation, layout)


class After:
    """What follows one layer on a few images; what the intact images give is computed once."""

    def __init__(self, segments: "list[_Segment]", activation: Tensor, layout: Layout):
        self._segments, self._activation, self._layout = segments, activation, layout
        self._intact: dict[fx.Node, Tensor] = {}

    def scores(
        self, image: Int64[Tensor, " run"], channel: Int64[Tensor, " run"]
    ) -> Float[Tensor, "run class"]:
        """Class scores of each image without a channel; runs of one channel stand together."""
        device = self._activation.device
        image, channel = image.to(device), channel.to(device)
        # Only maps are followed by convolutions and pooling that keep channels apart.
        if self._layout == NCHW:
            value: Any = Silent(self._activation, Runs(image, channel))
        else:
            value = self._layout.ablated_pairs(self._activation, image, channel)
        for segment in self._segments:
            value = segment.through(value, self._intact)
        return dense(value)


class FullForward:
    """The same scores of a network that cannot be cut: every silent channel runs all of it.

    Parameters
    ----------
    model
        Network in eval mode.
    layer
        Layer of the silent channels.
    images
        The images, as the network takes them.
    """

    def __init__(self, model: Classifier, layer: str, images: Tensor):
        self._model, self._layer, self._images = model, layer, images

    def scores(
        self, image: Int64[Tensor, " run"], channel: Int64[Tensor, " run"]
    ) -> Float[Tensor, "run class"]:
        """Class scores of each image without a channel; runs of one channel stand together."""
        image, found = image.to(self._images.device), []
        for one, where in Runs(image, channel).by_channel:
            with self._model.ablated(self._layer, [one]):
                found.append(self._model(self._images[image[where]]))
        return torch.cat(found)


@dataclass(frozen=True)
class Runs:
    """Pairs of an image and the channel that is silent in it."""

    image: Int64[Tensor, " run"]
    channel: Int64[Tensor, " run"]

    @cached_property
    def by_channel(self) -> list[tuple[int, slice]]:
        """Each channel with the place of its runs."""
        channels, counts = self.channel.unique_consecutive(return_counts=True)
        ends = counts.cumsum(0).tolist()
        starts = [0, *ends[:-1]]
        return list(zip(channels.tolist(), map(slice, starts, ends), strict=True))


@dataclass(frozen=True)
class Silent:
    """Intact values of all images, of which each run lacks one channel.

    `width` is the number of consecutive features that a channel has; it is 1 until maps are
    flattened.
    """

    intact: Tensor
    runs: Runs
    width: int = 1

    def channel(self) -> Float[Tensor, "run width *map"]:
        """What each run lacks."""
        grouped = self.intact.unflatten(1, (-1, self.width))
        return grouped[self.runs.image, self.runs.channel]


def dense(value: Tensor | Silent) -> Tensor:
    """Values of each run."""
    if isinstance(value, Tensor):
        return value
    # A copy in the same memory format.
    whole = value.intact.index_select(0, value.runs.image)
    grouped = whole.unflatten(1, (-1, value.width))
    grouped[torch.arange(len(whole), device=whole.device), value.runs.channel] = 0.0
    return whole


class _Segment(fx.Interpreter):
    """Modules between two layers, on dense values or on `Silent` ones."""

    def through(self, value: Tensor | Silent, intact: dict[fx.Node, Tensor]) -> Tensor | Silent:
        """Value after the segment; `intact` keeps what is computed for the intact images."""
        self._intact = intact
        return self.run(value)

    def run_node(self, n: fx.Node) -> Any:
        args, kwargs = self.fetch_args_kwargs_from_env(n)
        if n.op in ("placeholder", "output") or not _holds_silent([*args, *kwargs.values()]):
            return super().run_node(n)
        operation = self.fetch_attr(n.target) if n.op == "call_module" else n.target
        first = args[0]
        if isinstance(first, Silent):
            if _channelwise(operation, args[1:]):
                intact = self._kept(n, operation, first.intact, *args[1:], **kwargs)
                width = first.width * _flattened(first.intact, intact)
                return replace(first, intact=intact, width=width)
            if _linear(operation):
                intact = self._kept(n, operation, first.intact)
                return _exact(operation, first, intact, _without(operation, first, intact))
        args, kwargs = (fx.node.map_aggregate(one, _densely) for one in (args, kwargs))
        return getattr(self, n.op)(n.target, args, kwargs)

    def _kept(self, node: fx.Node, operation: Any, value: Tensor, *args: Any, **kwargs: Any):
        if node not in self._intact:
            # An operation in place must leave what others read.
            copy = value.clone(memory_format=torch.preserve_format)
            self._intact[node] = operation(copy, *args, **kwargs)
        return self._intact[node]


def _densely(value: Any) -> Any:
    return dense(value) if isinstance(value, Silent) else value


def _holds_silent(values: Any) -> bool:
    if isinstance(values, list | tuple):
        return any(map(_holds_silent, values))
    return isinstance(values, Silent)


def _channelwise(operation: Any, settings: Sequence[Any]) -> bool:
    if operation is torch.flatten and settings != (1,):
        return False
    if type(operation) is nn.Flatten and (operation.start_dim, operation.end_dim) != (1, -1):
        return False
    return operation in CHANNELWISE or type(operation) in CHANNELWISE


def _linear(operation: Any) -> bool:
    if type(operation) is nn.Conv2d:
        zeros = operation.padding_mode == "zeros" and not isinstance(operation.padding, str)
        return operation.groups == 1 and zeros
    return type(operation) in (nn.Linear, PackedLinear)


def _flattened(before: Tensor, after: Tensor) -> int:
    """Number of features that a flattening makes of one channel; 1 for other operations."""
    return after.shape[1] // before.shape[1]


def _without(module: nn.Conv2d | nn.Linear | PackedLinear, value: Silent, intact: Tensor) -> Tensor:
    """Output of a linear operation less what the silent channel of each run contributes."""
    if not isinstance(module, nn.Conv2d):
        rows = value.channel()[:, None]
        weight = module.weight.unflatten(1, (-1, value.width)).permute(1, 2, 0)
        return _less(intact[:, None], rows, weight, value.runs)[:, 0]
    columns = functional.unfold(
        value.channel(), module.kernel_size, module.dilation, module.padding, module.stride
    )
    weight = module.weight.flatten(2).permute(1, 2, 0)
    maps = intact.permute(0, 2, 3, 1)
    less = _less(maps.flatten(1, 2), columns.transpose(1, 2), weight, value.runs)
    return less.unflatten(1, maps.shape[1:3]).permute(0, 3, 1, 2)


def _exact(
    module: nn.Conv2d | nn.Linear | PackedLinear, value: Silent, intact: Tensor, output: Tensor
) -> Tensor:
    """The output, made anew without the channel where the subtraction has cancelled its digits.

    That is where a channel outdoes all others: what is left then has the rounding of what was
    taken away.
    """
    before = _largest(intact)[value.runs.image]
    # Written so that what is not a number is made anew.
    cancelled = (~(before <= CANCELLED * _largest(output))).nonzero().flatten()
    if len(cancelled):
        runs = Runs(value.runs.image[cancelled], value.runs.channel[cancelled])
        output[cancelled] = module(dense(replace(value, runs=runs)))
    return output


def _largest(values: Float[Tensor, "run *value"]) -> Float[Tensor, " run"]:
    """Largest absolute value of each run."""
    # Many times as fast as a norm.
    places = tuple(range(1, values.ndim))
    return torch.maximum(values.amax(places), -values.amin(places))


def _less(
    intact: Float[Tensor, "image place output"],
    inputs: Float[Tensor, "run place input"],
    weight: Float[Tensor, "channel input output"],
    runs: Runs,
) -> Float[Tensor, "run place output"]:
    outputs = intact.index_select(0, runs.image)
    inputs = inputs.contiguous()
    for channel, where in runs.by_channel:
        rows = outputs[where].flatten(0, 1)
        rows.addmm_(inputs[where].flatten(0, 1), weight[channel], alpha=-1)
    return outputs
