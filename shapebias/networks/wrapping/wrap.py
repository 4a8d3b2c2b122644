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
    **settings: Any,
) -> Classifier:
    """Wrap a network for measurements: split it at its layers, else read it through hooks.

    Parameters
    ----------
    network
        From normalised images to class scores.
    layers
        Name of each layer to the dotted name of the module whose output it is; None takes the
        `stages` whose outputs are feature maps.
    stages
        Dotted names of modules that may be stages.
    input_size
        Side of the images, in pixels.
    channels
        Number of channels of each stage, where known.
    orders
        Token of each map position, row by row, for modules whose tokens are in another order.
    settings
        The other settings of `Classifier`: classes, mean, std.

    Raises
    ------
    UnknownLayer
        If the network has no module with a name in `layers`.
    ShapebiasError
        If the output of one of them is not feature maps.
    """
    paths = list(layers.values()) if layers else list(stages)
    check_modules(network, paths)
    layout_of = stage_layouts(network, paths, input_size, channels=channels, named=bool(layers))
    for path, order in (orders or {}).items():
        if path in layout_of:
            layout_of[path] = in_order(layout_of[path], order)
    if layers and (missing := [path for path in paths if path not in layout_of]):
        raise ShapebiasError(
            f"{type(network).__name__} has no feature maps at {', '.join(missing)}: name other "
            "modules under `layers`"
        )
    modules = layers or {path: path for path in layout_of}
    layouts = {name: layout_of[path] for name, path in modules.items()}
    settings |= {"input_size": input_size, "layouts": layouts}
    if not layout_of:
        print(
            f"{type(network).__name__} has no feature maps at its stages: its decisions can be "
            "measured, but not its layers"
        )
        return HookedClassifier(network, layers={}, **settings)
    try:
        _check_single(network, layouts)
        parts = split_at_layers(network, modules, once=not layers)
    except CannotSplit as error:
        print(
            f"{error}. It is read through forward hooks: ablating a channel runs the whole "
            "network, and layers are the modules' outputs, before any activation function that is "
            "not a module"
        )
        return HookedClassifier(network, layers=modules, **settings)
    return SplitClassifier(network, segments=parts.segments, tail=parts.tail, **settings)


def _check_single(network: nn.Module, layouts: Mapping[str, Layout]) -> None:
    for name, layout in layouts.items():
        if layout.output_index is not None:
            raise CannotSplit(
                f"{type(network).__name__} cannot be split at layer {name!r}, whose module returns "
                "more than its maps"
            )


class SplitClassifier(Classifier):
    """A network that was traced in eval mode and split.

    Notes
    -----
    Functional dropout and the like stay in eval mode in a traced graph. So the split network is
    used in eval mode and while channels are ablated; in training mode the original runs.
    """

    def forward(self, images: Float[Tensor, "image 3 row column"]) -> Float[Tensor, "image class"]:
        """Class scores before the softmax."""
        if not self.training or self.is_ablated():
            return super().forward(images)
        return scores_only(self.network((images - self.mean) / self.std))
