"""After ablating one channel, recompute only what changes."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, fx, nn
from torch.nn import functional

from shapebias.ablation.ablated_values import (
    Ablated,
    AblationPairs,
    ablate_linear,
    dense,
    is_linear,
)
from shapebias.ablation.suffix_graph import suffix_graph
from shapebias.networks.activation_layout import NCHW, Layout
from shapebias.networks.classifier import Classifier

# Operations that treat each channel separately and map a channel of zeros to zeros.
CHANNELWISE = (
    nn.AdaptiveAvgPool2d, nn.AvgPool2d, nn.Dropout, nn.Flatten, nn.Identity, nn.MaxPool2d,
    nn.ReLU, nn.ReLU6, functional.relu, torch.flatten, torch.relu,
)  # fmt: skip


class Suffixes:
    """Class scores of a network with single channels ablated.

    Parameters
    ----------
    model
        Network in eval mode.

    Notes
    -----
    A channel that is set to zero stays zero through a ReLU and through pooling. The convolution or
    linear layer that reads it is linear, so its output is the unablated one minus the contribution
    of the channel: with a global average pooling before the last linear layer this is a closed
    form. Beyond that layer all values change; it is run with batch norms folded into the
    convolutions before them. The scores therefore agree with those of the network up to rounding.
    """

    def __init__(self, model: Classifier):
        segments = [*map(model.modules_of, model.layers), model.modules_of(None)]
        self._index = {layer: index for index, layer in enumerate(model.layers)}
        self._segments = [_Segment(suffix_graph(modules)) for modules in segments[1:]]
        self._layouts = {layer: model.layout(layer) for layer in model.layers}

    def suffix(self, layer: str, activation: Tensor) -> "Suffix":
        """Suffix of the network after a layer, for the images that gave this output of it."""
        segments, layout = self._segments[self._index[layer] :], self._layouts[layer]
        if layout == NCHW:
            activation = activation.contiguous(memory_format=torch.channels_last)
        return Suffix(segments, activation, layout)


class Suffix:
    """Modules after one layer, on a few images; unablated values are computed once.

    Parameters
    ----------
    segments
        Graphs of the modules between the following layers, in order.
    activation
        Unablated output of the layer.
    layout
        Layout of the activation.
    """

    def __init__(self, segments: "Sequence[_Segment]", activation: Tensor, layout: Layout):
        self._segments, self._activation, self._layout = segments, activation, layout
        self._unablated: dict[fx.Node, Tensor] = {}

    def scores(self, pairs: AblationPairs) -> Float[Tensor, "pair class"]:
        """Class scores of each image without the channel."""
        pairs = pairs.to(self._activation.device)
        # Only feature maps are followed by convolutions and pooling that keep channels apart.
        if self._layout == NCHW:
            value: Any = Ablated(self._activation, pairs)
        else:
            value = self._layout.ablated_pairs(self._activation, pairs.image, pairs.channel)
        for segment in self._segments:
            value = segment.compute(value, self._unablated)
        return dense(value)


class FullForward:
    """Class scores of a network that cannot be split: each ablated channel runs all of it.

    Parameters
    ----------
    model
        Network in eval mode.
    layer
        Layer of the ablated channels.
    images
        sRGB pixels in [0, 1].
    """

    def __init__(self, model: Classifier, layer: str, images: Float[Tensor, "image 3 row column"]):
        self._model, self._layer, self._images = model, layer, images

    def scores(self, pairs: AblationPairs) -> Float[Tensor, "pair class"]:
        """Class scores of each image without the channel."""
        pairs, scores = pairs.to(self._images.device), []
        for channel, where in pairs.by_channel:
            with self._model.ablated(self._layer, [channel]):
                scores.append(self._model(self._images[pairs.image[where]]))
        return torch.cat(scores)


class _Segment(fx.Interpreter):
    """Modules between two layers, on dense or `Ablated` values."""

    def compute(
        self, value: Tensor | Ablated, unablated: dict[fx.Node, Tensor]
    ) -> Tensor | Ablated:
        """Value after the segment; `unablated` caches the outputs of unablated images."""
        self._unablated = unablated
        return self.run(value)

    def run_node(self, n: fx.Node) -> Any:
        """Compute one operation, on `Ablated` values where it keeps channels apart."""
        args, kwargs = self.fetch_args_kwargs_from_env(n)
        if n.op in ("placeholder", "output") or not _has_ablated([*args, *kwargs.values()]):
            return super().run_node(n)
        operation = self.fetch_attr(n.target) if n.op == "call_module" else n.target
        value = args[0]
        if isinstance(value, Ablated):
            if _is_channelwise(operation, args[1:]):
                output = self._cached(n, operation, value.unablated, *args[1:], **kwargs)
                # Flattening makes several features of one channel.
                width = value.width * (output.shape[1] // value.unablated.shape[1])
                return replace(value, unablated=output, width=width)
            if is_linear(operation):
                output = self._cached(n, operation, value.unablated)
                return ablate_linear(operation, value, output)
        args, kwargs = (
            fx.node.map_aggregate(values, _dense_if_ablated) for values in (args, kwargs)
        )
        return getattr(self, n.op)(n.target, args, kwargs)

    def _cached(
        self, node: fx.Node, operation: Any, value: Tensor, *args: Any, **kwargs: Any
    ) -> Tensor:
        if node not in self._unablated:
            # A copy, because an in-place operation would change what other nodes read.
            copy = value.clone(memory_format=torch.preserve_format)
            self._unablated[node] = operation(copy, *args, **kwargs)
        return self._unablated[node]


def _dense_if_ablated(value: Any) -> Any:
    return dense(value) if isinstance(value, Ablated) else value


def _has_ablated(values: Any) -> bool:
    if isinstance(values, list | tuple):
        return any(map(_has_ablated, values))
    return isinstance(values, Ablated)


def _is_channelwise(operation: Any, settings: Sequence[Any]) -> bool:
    if operation is torch.flatten and settings != (1,):
        return False
    if type(operation) is nn.Flatten and (operation.start_dim, operation.end_dim) != (1, -1):
        return False
    return operation in CHANNELWISE or type(operation) in CHANNELWISE
