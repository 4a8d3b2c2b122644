"""Classifier that reads and ablates layers through forward hooks, where torch.fx cannot trace."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from functools import partial
from typing import Any

from jaxtyping import Float
from torch import Tensor, nn

from shapebias.errors import UnknownLayer
from shapebias.networks.classifier import Classifier


def scores_only(given: Any) -> Tensor:
    """Class scores; auxiliary ones, which some networks add in training mode, stand after them."""
    return given if isinstance(given, Tensor) else given[0]


class HookedClassifier(Classifier):
    """A network whose layers are the outputs of modules that it calls as it likes.

    Parameters
    ----------
    network
        From normalised images to class scores.
    layers
        Name of each layer to the dotted name of its module, in the order of their calls.
    settings
        The other settings of `Classifier`: classes, mean, std, input_size, layouts.

    Notes
    -----
    A layer is the module's own output: where an activation function follows that is no module,
    its values are those before it. A module that is called several times is silent in every call,
    and the layer is its last output.
    """

    is_split = False

    def __init__(self, network: nn.Module, *, layers: Mapping[str, str], **settings: Any):
        super().__init__(network, segments={}, tail=(), **settings)
        self._paths = dict(layers)

    @property
    def layers(self) -> tuple[str, ...]:
        """Names of the layers, in the order in which the network calls them last."""
        return tuple(self._paths)

    def check_layer(self, layer: str) -> None:
        """Raise `UnknownLayer` unless the network has this layer."""
        if layer not in self._paths:
            raise UnknownLayer("layer", layer, self.layers)

    def forward(self, images: Float[Tensor, "image 3 row column"]) -> Float[Tensor, "image class"]:
        """Class scores before the softmax."""
        return self._run(images)

    def activations(
        self, images: Float[Tensor, "image 3 row column"]
    ) -> Iterator[tuple[str, Tensor]]:
        """Each layer's name and output in turn, after one pass through the whole network."""
        seen: dict[str, Tensor] = {}
        self._run(images, seen)
        yield from ((layer, seen[layer]) for layer in self.layers)

    def _run(self, images: Tensor, seen: dict[str, Tensor] | None = None) -> Tensor:
        with ExitStack() as hooks:
            for layer, path in self._paths.items():
                hook = partial(self._meet, layer, seen)
                hooks.enter_context(self.network.get_submodule(path).register_forward_hook(hook))
            return scores_only(self.network((images - self.mean) / self.std))

    def _meet(
        self, layer: str, seen: dict[str, Tensor] | None, module: nn.Module, args: Any, given: Any
    ) -> Any:
        layout = self.layout(layer)
        output = self._apply_ablation(layer, layout.select(given))
        if seen is not None:
            # What is changed in place later is as it was here.
            seen[layer] = output.clone()
        return layout.replace(given, output)
