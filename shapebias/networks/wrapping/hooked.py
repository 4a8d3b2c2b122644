"""Classifier that reads and ablates layers through forward hooks, where torch.fx cannot trace."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from functools import partial
from typing import Any

from jaxtyping import Float
from torch import Tensor, nn

from shapebias.errors import UnknownLayer
from shapebias.networks.classifier import Classifier


def scores_only(output: Any) -> Tensor:
    """Class scores, without the auxiliary ones that some networks add in training mode."""
    return output if isinstance(output, Tensor) else output[0]


class HookedClassifier(Classifier):
    """A network whose layers are read and ablated through forward hooks.

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
    A layer is the module's own output, before any activation function that is not a module. If a
    module is called several times, channels are ablated in every call, and the layer is its last
    output.
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
        outputs: dict[str, Tensor] = {}
        self._run(images, outputs)
        yield from ((layer, outputs[layer]) for layer in self.layers)

    def _run(self, images: Tensor, outputs: dict[str, Tensor] | None = None) -> Tensor:
        with ExitStack() as hooks:
            for layer, path in self._paths.items():
                hook = partial(self._hook, layer, outputs)
                hooks.enter_context(self.network.get_submodule(path).register_forward_hook(hook))
            return scores_only(self.network((images - self.mean) / self.std))

    def _hook(
        self,
        layer: str,
        outputs: dict[str, Tensor] | None,
        module: nn.Module,
        args: Any,
        returned: Any,
    ) -> Any:
        layout = self.layout(layer)
        output = self._apply_ablation(layer, layout.select(returned))
        if outputs is not None:
            # A copy, as later modules may change the output in place.
            outputs[layer] = output.clone()
        return layout.replace(returned, output)
