"""A network from pixels in [0, 1] to class scores, with named layers that can be ablated."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch
from jaxtyping import Float
from torch import Tensor, nn

from shapebias.errors import ShapebiasError, UnknownLayer
from shapebias.networks.activation_layout import NCHW, Layout
from shapebias.networks.eval_mode import eval_mode
from shapebias.networks.normalisation import check_normalised_once
from shapebias.ranges import colour_error


class Classifier(nn.Module):
    """A network that normalises sRGB pixels in [0, 1] itself and is split at its named layers.

    Parameters
    ----------
    network
        Module that owns the parameters; its `state_dict` keys are the published ones.
    segments
        Layer name to the modules of `network` that lead to it from the layer before (from the
        normalised image for the first), in order. A layer's output is the activation after its
        ReLU where one follows.
    tail
        Modules from the last named layer to the class scores.
    classes
        Class names in the order of the scores.
    mean, std
        Per colour channel, of pixels in [0, 1].
    input_size
        Side of the square image that the network was made for, in pixels.
    layouts
        Layout of the output of each layer that is not ``(image, channel, row, column)``.

    Raises
    ------
    ShapebiasError
        If `mean` and `std` are not of pixels in [0, 1], or not 0 and 1 although `network`
        normalises its input; see `shapebias.networks.normalisation.check_normalised_once`.

    Notes
    -----
    The segments and the tail hold the same modules as `network`, registered once, under it.
    """

    # Whether the part of the network that follows a layer can be run alone.
    is_split = True

    def __init__(
        self,
        network: nn.Module,
        *,
        segments: Mapping[str, Sequence[nn.Module]],
        tail: Sequence[nn.Module],
        classes: Sequence[str],
        mean: Sequence[float],
        std: Sequence[float],
        input_size: int,
        layouts: Mapping[str, Layout] | None = None,
    ):
        super().__init__()
        for name, values in (("mean", mean), ("std", std)):
            if error := colour_error(name, list(values)):
                raise ShapebiasError(f"{name}: {error}")
        check_normalised_once(network, mean, std)
        self.network = network
        # Tuples, not containers of modules: the parameters stay registered under `network` alone.
        self._segments = {name: tuple(modules) for name, modules in segments.items()}
        self._tail = tuple(tail)
        self._layouts = dict(layouts or {})
        self.classes = tuple(classes)
        self.input_size = input_size
        self.register_buffer("mean", torch.tensor(mean).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(1, 3, 1, 1), persistent=False)
        self._ablated: dict[str, Tensor] = {}

    @property
    def layers(self) -> tuple[str, ...]:
        """Names of the layers at which the network is split, from pixels to scores."""
        return tuple(self._segments)

    def check_layer(self, layer: str) -> None:
        """Raise `UnknownLayer` unless the network has this layer."""
        if layer not in self._segments:
            raise UnknownLayer("layer", layer, self.layers)

    def layout(self, layer: str) -> Layout:
        """Layout of a layer's output in the network."""
        return self._layouts.get(layer, NCHW)

    def modules_of(self, layer: str | None) -> tuple[nn.Module, ...]:
        """Modules that lead to a layer from the one before; those after the last for None."""
        return self._tail if layer is None else self._segments[layer]

    def forward(self, images: Float[Tensor, "image 3 row column"]) -> Float[Tensor, "image class"]:
        """Class scores before the softmax."""
        for _, activation in self.activations(images):  # noqa: B007
            pass
        return self.finish(activation)

    def walk(
        self, images: Float[Tensor, "image 3 row column"]
    ) -> Iterator[tuple[str, Float[Tensor, "image channel map_row map_column"]]]:
        """Yield each layer's name and feature maps, in one pass."""
        for layer, activation in self.activations(images):
            yield layer, self.layout(layer).maps(activation, tuple(images.shape[2:]))

    def activations(
        self, images: Float[Tensor, "image 3 row column"]
    ) -> Iterator[tuple[str, Float[Tensor, "image ..."]]]:
        """Yield each layer's name and output, in the network's own layout, in one pass."""
        activation = (images - self.mean) / self.std
        for layer, modules in self._segments.items():
            activation = self._apply_ablation(layer, _run(modules, activation))
            yield layer, activation

    def finish(self, activation: Float[Tensor, "image ..."]) -> Float[Tensor, "image class"]:
        """Class scores from the last layer's output."""
        return _run(self._tail, activation)

    def resume(
        self, layer: str, activation: Float[Tensor, "image ..."]
    ) -> Float[Tensor, "image class"]:
        """Class scores from one layer's output, as if the network had computed it."""
        self.check_layer(layer)
        activation = self._apply_ablation(layer, activation)
        for name in self.layers[self.layers.index(layer) + 1 :]:
            activation = self._apply_ablation(name, _run(self._segments[name], activation))
        return self.finish(activation)

    def _apply_ablation(
        self, layer: str, activation: Float[Tensor, "image ..."]
    ) -> Float[Tensor, "image ..."]:
        if layer not in self._ablated:
            return activation
        return self.layout(layer).ablated(activation, self._ablated[layer])

    @contextmanager
    def ablated(self, layer: str, channels: Sequence[int]) -> Iterator[None]:
        """Set channels of a layer to zero at every position and in every token in this context.

        Contexts of different layers can be nested.

        Raises
        ------
        UnknownLayer
            If the network has no such layer.
        ShapebiasError
            If channels of the layer are ablated already.
        """
        self.check_layer(layer)
        if layer in self._ablated:
            raise ShapebiasError(
                f"channels of layer {layer} are ablated already; name all of them in one context"
            )
        device = next(self.parameters()).device
        self._ablated[layer] = torch.as_tensor(list(channels), dtype=torch.long, device=device)
        try:
            yield
        finally:
            del self._ablated[layer]

    def is_ablated(self) -> bool:
        """Whether channels are ablated, so that the modules alone do not give the scores."""
        return bool(self._ablated)

    @torch.no_grad()
    def channels(self) -> dict[str, int]:
        """Number of channels of each layer, counted on one blank image."""
        device = next(self.parameters()).device
        blank = torch.zeros(1, 3, self.input_size, self.input_size, device=device)
        with eval_mode(self):
            return {layer: maps.shape[1] for layer, maps in self.walk(blank)}

    def __repr__(self) -> str:
        return f"Classifier({type(self.network).__name__}, {len(self.classes)} classes)"


def _run(modules: Sequence[nn.Module], activation: Tensor) -> Tensor:
    for module in modules:
        activation = module(activation)
    return activation
