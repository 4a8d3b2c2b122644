"""Make any module a `Classifier`: split at its layers, or read through forward hooks."""

from collections.abc import Iterable, Mapping
from typing import Any

from jaxtyping import Float
from torch import Tensor, nn

from shapebias.errors import ShapebiasError
from shapebias.networks.activation_layout import Layout, in_order
from shapebias.networks.classifier import Classifier
from shapebias.networks.wrapping.hooked import HookedClassifier, scores_only
from shapebias.networks.wrapping.split import CannotSplit, check_modules, split_at_layers
from shapebias.networks.wrapping.stages import stage_layouts


def wrap_network(
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
        parts = split_at_layers(network, modules, once=not layers)
    except CannotSplit as error:
        print(
            f"{error}: silencing a channel will run the whole network, through hooks, and values "
            "are those of the modules themselves, before an activation function that is no module"
        )
        return HookedClassifier(network, layers=modules, **described)
    return SplitClassifier(network, segments=parts.segments, tail=parts.tail, **described)


def _check_single(network: nn.Module, layouts: Mapping[str, Layout]) -> None:
    for name, layout in layouts.items():
        if layout.output_index is not None:
            raise CannotSplit(
                f"{type(network).__name__} cannot be cut at layer {name!r}, which gives more than "
                "its maps"
            )


class SplitClassifier(Classifier):
    """A network that was traced in eval mode and cut; in training mode it runs by itself.

    Notes
    -----
    A traced step has eval mode's form for good, such as a dropout that is a function and no module.
    What is cut serves in eval mode, and where channels are silent.
    """

    def forward(self, images: Float[Tensor, "image 3 row column"]) -> Float[Tensor, "image class"]:
        """Class scores before the softmax."""
        if not self.training or self.is_ablated():
            return super().forward(images)
        return scores_only(self.network((images - self.mean) / self.std))
