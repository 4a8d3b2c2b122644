"""Find the modules of a network whose outputs are feature maps, and their layouts."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from shapebias.networks.activation_layout import Layout, possible_layouts
from shapebias.networks.eval_mode import eval_mode

# Levels below a stage at which feature maps are searched, if it has several outputs or is never
# called.
DEPTH = 4
CONTAINERS = (nn.Sequential, nn.ModuleList, nn.ModuleDict)
# Shape of each tensor that a module returns, by its index; None for a single tensor.
Shapes = dict[int | None, torch.Size]


def stage_layouts(
    network: nn.Module,
    paths: Iterable[str],
    size: int,
    *,
    channels: Mapping[str, int] | None = None,
    named: bool = False,
) -> dict[str, Layout]:
    """Find the layouts of the outputs that are feature maps, in the order of their computation.

    Parameters
    ----------
    network
        From normalised images to class scores; it is left unchanged.
    paths
        Dotted names of modules that may be stages.
    size
        Side of the network's images, in pixels.
    channels
        Number of channels of each stage, where known.
    named
        Whether exactly these modules are requested. Otherwise maps of one position do not count,
        and modules inside one that returns several tensors, or is never called, replace it.

    Notes
    -----
    The image is square, and so are its maps: that distinguishes rows and columns from channels.
    If a shape fits several layouts, `channels` decide, then the layouts of the other stages, then
    the order (image, channel, row, column), (image, row, column, channel), (image, token, channel);
    a line names the axis taken. Channels before tokens are found only where `channels` are known.
    """
    finder, paths = _LayoutFinder(network, channels or {}, named), list(paths)
    for _ in range(1 if named else DEPTH):
        shapes = _output_shapes(network, paths, size)
        unclear = {path for path in paths if finder.is_unclear(path, shapes.get(path))}
        if not unclear:
            break
        inner = [_modules_inside(network, path) if path in unclear else [path] for path in paths]
        paths = [path for replaced in inner for path in replaced]
    layouts = finder.layouts(shapes)
    single = [path for path, outputs in shapes.items() if any(map(_is_single, outputs.values()))]
    if single and not named:
        print(
            f"no layer at {', '.join(single)} of {type(network).__name__}: for images of {size} "
            "pixels the map has a single position"
        )
    return layouts


def _is_single(shape: torch.Size) -> bool:
    """Whether this is the shape of a map of one position, or of one token."""
    maps = len(shape) == 4 and (shape[2] == shape[3] == 1 or shape[1] == shape[2] == 1)
    return maps or (len(shape) == 3 and shape[1] == 1)


class _LayoutFinder:
    def __init__(self, network: nn.Module, channels: Mapping[str, int], named: bool):
        self.network, self.channels = network, channels
        prefix = getattr(network, "num_prefix_tokens", None)
        self.n_prefix_tokens = prefix if isinstance(prefix, int) else None
        self.min_side = 1 if named else 2

    def is_unclear(self, path: str, shapes: Shapes | None) -> bool:
        """Whether a module is never called, or returns several tensors without one map."""
        return not shapes or (None not in shapes and not self.candidates(path, shapes))

    def layouts(self, shapes: Mapping[str, Shapes]) -> dict[str, Layout]:
        """Layouts of the outputs that are feature maps."""
        candidates = {path: self.candidates(path, outputs) for path, outputs in shapes.items()}
        axes = {several[0].axis for several in candidates.values() if len(several) == 1}
        layouts = {}
        for path, several in candidates.items():
            if several:
                layouts[path] = next(
                    (layout for layout in several if layout.axis in axes), several[0]
                )
            if len(several) > 1:
                shape = tuple(shapes[path][several[0].output_index])
                print(
                    f"{path} of {type(self.network).__name__} has an output of shape {shape}: "
                    f"taking axis {layouts[path].axis} as channels"
                )
        return layouts

    def candidates(self, path: str, shapes: Shapes) -> list[Layout]:
        """Layouts that a module's output can have; none if it is not feature maps."""
        channels = self.channels.get(path)
        possible = [
            replace(layout, output_index=index)
            for index, shape in shapes.items()
            for layout in possible_layouts(
                shape,
                channels=channels,
                n_prefix_tokens=self.n_prefix_tokens,
                min_side=self.min_side,
            )
        ]
        if channels is None:
            possible = [layout for layout in possible if not _has_channels_before_tokens(layout)]
        # If a module returns maps with rows and columns, its tokens are something else.
        possible = [layout for layout in possible if layout.n_prefix_tokens is None] or possible
        indices = {layout.output_index for layout in possible}
        if len(indices) != 1 or _shares_channels(shapes, possible[0]):
            return []
        return possible


def _has_channels_before_tokens(layout: Layout) -> bool:
    return layout.axis == 1 and layout.n_prefix_tokens is not None


def _shares_channels(shapes: Shapes, layout: Layout) -> bool:
    """Whether a module also returns tokens of the same channels, which would not be ablated."""
    channels = shapes[layout.output_index][layout.axis]
    others = [shape for index, shape in shapes.items() if index != layout.output_index]
    return any(len(shape) in (2, 3) and shape[-1] == channels for shape in others)


def _output_shapes(network: nn.Module, paths: Sequence[str], size: int) -> dict[str, Shapes]:
    """Output shapes of each module for one blank image, in the order of their last calls."""
    shapes: dict[str, Shapes] = {}

    def record(path: str, module: nn.Module, args: Any, output: Any) -> None:
        shapes.pop(path, None)
        shapes[path] = _shapes(output)

    with ExitStack() as hooks:
        for path in paths:
            module = network.get_submodule(path)
            hooks.enter_context(module.register_forward_hook(partial(record, path)))
        with eval_mode(network), torch.no_grad():
            network(torch.zeros(1, 3, size, size))
    return shapes


def _shapes(output: Any) -> Shapes:
    if isinstance(output, Tensor):
        return {None: output.shape}
    several = output if type(output) in (tuple, list) else ()
    return {
        index: tensor.shape for index, tensor in enumerate(several) if isinstance(tensor, Tensor)
    }


def _modules_inside(network: nn.Module, path: str) -> list[str]:
    """Modules with weights in a container, or in the containers that a module holds."""
    module = network.get_submodule(path)
    containers = {path: module}
    if not isinstance(module, CONTAINERS):
        containers = {
            f"{path}.{name}": child
            for name, child in module.named_children()
            if isinstance(child, CONTAINERS)
        }
    return [
        f"{holder}.{name}"
        for holder, container in containers.items()
        for name, child in container.named_children()
        if any(True for _ in child.parameters())
    ]
