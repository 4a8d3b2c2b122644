"""Networks that cannot be cut: their layers are watched, and silenced, by hooks."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from functools import partial
from typing import Any

from jaxtyping import Float
from torch import Tensor, nn

from shapebias.classifier import Classifier
from shapebias.cutting import CannotCut, check_modules, cut
from shapebias.errors import ShapebiasError, UnknownLayer
from shapebias.layouts import Layout, in_order
from shapebias.stage_layouts import stage_layouts


def classifier(
    network: nn.Module,
    *,
    layers: Mapping[str, str] | None,
    stages: Iterable[str],
    input_size: int,
    channels: Mapping[str, int] | None = None,
    orders: Mapping[str, Tensor] | None = None,
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
    channels
        Number of channels that stages are known to have.
    orders
        Token of each place of the maps, row by row, of modules whose tokens are in another order.
    described
        The other settings of `Classifier`: classes, mean, std.

    Raises
    ------
    UnknownLayer
        If the network has no module of a name in `layers`.
    ShapebiasError
        If one of them gives no feature maps.
    """
    wanted = list(layers.values()) if layers else list(stages)
    check_modules(network, wanted)
    found = stage_layouts(network, wanted, input_size, channels=channels, named=bool(layers))
    for path, order in (orders or {}).items():
        if path in found:
            found[path] = in_order(found[path], order)
    if layers and (missing := [path for path in wanted if path not in found]):
        raise ShapebiasError(
            f"{type(network).__name__} gives no feature maps at {', '.join(missing)}: name other "
            "modules of it"
        )
    modules = layers or {path: path for path in found}
    layouts = {name: found[path] for name, path in modules.items()}
    described |= {"input_size": input_size, "layouts": layouts}
    if not found:
        print(
            f"{type(network).__name__} gives no feature maps at its stages: what it decides can be "
            "measured, but none of its layers"
        )
        return HookedClassifier(network, layers={}, **described)
    try:
        _check_single(network, layouts)
        parts = cut(network, modules, once=not layers)
    except CannotCut as error:
        print(
            f"{error}: silencing a channel will run the whole network, through hooks, and values "
            "are those of the modules themselves, before an activation function that is no module"
        )
        return HookedClassifier(network, layers=modules, **described)
    return CutClassifier(network, segments=parts.segments, tail=parts.tail, **described)


def _check_single(network: nn.Module, layouts: Mapping[str, Layout]) -> None:
    for name, layout in layouts.items():
        if layout.item is not None:
            raise CannotCut(
                f"{type(network).__name__} cannot be cut at layer {name!r}, which gives more than "
                "its maps"
            )


class CutClassifier(Classifier):
    """A network that was traced in eval mode and cut; in training mode it runs by itself.

    Notes
    -----
    A traced step has eval mode's form for good, such as a dropout that is a function and no module.
    What is cut serves in eval mode, and where channels are silent.
    """

    def forward(self, images: Float[Tensor, "image 3 row column"]) -> Float[Tensor, "image class"]:
        """Class scores before the softmax."""
        if not self.training or self.is_changed():
            return super().forward(images)
        return _scores(self.network((images - self.mean) / self.std))


def _scores(given: Any) -> Tensor:
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

    cuttable = False

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
            return _scores(self.network((images - self.mean) / self.std))

    def _meet(
        self, layer: str, seen: dict[str, Tensor] | None, module: nn.Module, args: Any, given: Any
    ) -> Any:
        layout = self.layout(layer)
        output = self._heard(layer, layout.inside(given))
        if seen is not None:
            # What is changed in place later is as it was here.
            seen[layer] = output.clone()
        return layout.put_back(given, output)
