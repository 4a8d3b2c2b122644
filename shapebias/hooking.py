"""Networks that cannot be cut: their layers are watched, and silenced, by hooks."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from functools import partial
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from shapebias.classifier import Classifier
from shapebias.cutting import CannotCut, cut, cut_at_stages, is_map
from shapebias.errors import ShapebiasError, UnknownLayer


def classifier(
    network: nn.Module,
    *,
    layers: Mapping[str, str] | None,
    stages: Iterable[str],
    input_size: int,
    **described: Any,
) -> Classifier:
    """A network as every measurement sees it: cut where that can be, else watched by hooks.

    Parameters
    ----------
    network
        From normalised images to class scores.
    layers
        Name of each layer to the dotted name of the module whose output it is; None for those of
        `stages` that give feature maps.
    stages
        Dotted names of modules that may be stages.
    input_size
        Side of the images, in pixels.
    described
        The other settings of `Classifier`: classes, mean, std.
    """
    try:
        parts = cut(network, layers) if layers else cut_at_stages(network, stages, input_size)
    except CannotCut as error:
        print(f"{error}: silencing a channel will run the whole network, through hooks")
        modules = layers or {stage: stage for stage in stages}
        return HookedClassifier(
            network, layers=modules, named=bool(layers), input_size=input_size, **described
        )
    return Classifier(
        network, segments=parts.segments, tail=parts.tail, input_size=input_size, **described
    )


class HookedClassifier(Classifier):
    """A network whose layers are the outputs of modules that it calls as it likes.

    Parameters
    ----------
    network
        From normalised images to class scores.
    layers
        Name of each layer to the dotted name of its module.
    named
        Whether each of them must give feature maps; otherwise those that do not are passed over.
    settings
        The other settings of `Classifier`: classes, mean, std, input_size.

    Raises
    ------
    UnknownLayer
        If there is no such module.
    ShapebiasError
        If a named module gives no feature maps.

    Notes
    -----
    A layer is the module's own output: where an activation function follows that is no module,
    its values are those before it. A module that is called several times is silent in every call,
    and the layer is its last output.
    """

    cuttable = False

    def __init__(
        self, network: nn.Module, *, layers: Mapping[str, str], named: bool, **settings: Any
    ):
        super().__init__(network, segments={}, tail=(), **settings)
        modules = dict(network.named_modules())
        for path in layers.values():
            if path not in modules:
                raise UnknownLayer(
                    f"module of {type(network).__name__}", path, modules.keys() - {""}
                )
        self._paths = dict(layers)
        self._paths = self._with_maps(named)

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

    def walk(self, images: Float[Tensor, "image 3 row column"]) -> Iterator[tuple[str, Tensor]]:
        """Each layer's name and activation in turn, after one pass through the whole network."""
        seen: dict[str, Tensor] = {}
        self._run(images, seen)
        yield from ((layer, seen[layer]) for layer in self.layers)

    def _run(self, images: Tensor, seen: dict[str, Tensor] | None = None) -> Tensor:
        with ExitStack() as hooks:
            for layer, path in self._paths.items():
                hook = partial(self._meet, layer, seen)
                hooks.enter_context(self.network.get_submodule(path).register_forward_hook(hook))
            return self.network((images - self.mean) / self.std)

    def _meet(
        self, layer: str, seen: dict[str, Any] | None, module: nn.Module, given: Any, output: Any
    ) -> Any:
        output = self._heard(layer, output)
        if seen is not None:
            # What comes last stands last, and what is changed in place later is as it was here.
            seen.pop(layer, None)
            seen[layer] = output.clone() if isinstance(output, Tensor) else output
        return output

    @torch.no_grad()
    def _with_maps(self, named: bool) -> dict[str, str]:
        modes = self.training
        seen: dict[str, Any] = {}
        self.eval()._run(torch.zeros(1, 3, self.input_size, self.input_size), seen)
        self.train(modes)
        shapes = {layer: tuple(getattr(value, "shape", ())) for layer, value in seen.items()}
        maps = [layer for layer, n in shapes.items() if (len(n) == 4 if named else is_map(n))]
        missing = [layer for layer in self._paths if layer not in maps]
        what = f"{type(self.network).__name__} gives no feature maps"
        if named and missing:
            paths = ", ".join(self._paths[layer] for layer in missing)
            raise ShapebiasError(f"{what} at {paths}: name other modules of it")
        if not maps:
            print(f"{what} at its stages: what it decides can be measured, but none of its layers")
        return {layer: self._paths[layer] for layer in maps}
