"""The modules of a network that give feature maps, and how these are laid out."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from shapebias.networks.activation_layout import Layout, possible_layouts
from shapebias.networks.eval_mode import eval_mode
from shapebias.networks.wrapping.channel_axis import channel_axis_by_gradient

# Levels below a stage at which maps are looked for where it gives several outputs, or is no call.
DEPTH = 4
CONTAINERS = (nn.Sequential, nn.ModuleList, nn.ModuleDict)
# Shapes of what a module gives, by their places where it gives several; None where it is alone.
Given = dict[int | None, torch.Size]


def stage_layouts(
    network: nn.Module,
    paths: Iterable[str],
    size: int,
    *,
    channels: Mapping[str, int] | None = None,
    named: bool = False,
) -> dict[str, Layout]:
    """Layouts of the outputs that are feature maps, in the order in which the network makes them.

    Parameters
    ----------
    network
        From normalised images to class scores; it is left as it is.
    paths
        Dotted names of modules that may be stages.
    size
        Side of the network's images, in pixels.
    channels
        Number of channels of stages of which it is known.
    named
        Whether these very modules are wanted. Otherwise maps of one place are none, and the modules
        inside one that gives several tensors, or is never called, stand in for it.

    Notes
    -----
    The image is square, and so are its maps: that tells rows and columns from channels. Where
    lengths coincide, or tokens could be channels, the channels are along the axis at whose single
    places single weights act, as biases do. Where that does not decide, and where a map has one
    place, the module is passed over with a line.
    """
    finder, paths = _Finder(network, size, channels or {}, named), list(paths)
    for _ in range(1 if named else DEPTH):
        calls = _calls(network, paths, size)
        unclear = {path for path in paths if finder.is_unclear(path, calls.get(path))}
        if not unclear:
            break
        paths = [
            one for path in paths for one in (_below(network, path) if path in unclear else [path])
        ]
    found = {path: finder.layout(path, given) for path, given in calls.items()}
    single = [path for path, given in calls.items() if any(map(_is_one_place, given.values()))]
    if single and not named:
        print(
            f"{type(network).__name__} gives a single place at {', '.join(single)} for images of "
            f"{size} pixels: no layer is there"
        )
    return {path: layout for path, layout in found.items() if layout is not None}


def _is_one_place(shape: torch.Size) -> bool:
    """Whether this is the shape of a map of one place, or of one token."""
    maps = len(shape) == 4 and (shape[2] == shape[3] == 1 or shape[1] == shape[2] == 1)
    return maps or (len(shape) == 3 and shape[1] == 1)


class _Finder:
    """Decides on layouts, once for modules of one class that give the same shapes."""

    def __init__(self, network: nn.Module, size: int, channels: Mapping[str, int], named: bool):
        self.network, self.size, self.channels = network, size, channels
        leading = getattr(network, "num_prefix_tokens", None)
        self.leading = leading if isinstance(leading, int) else None
        self.least = 1 if named else 2
        self.decided: dict[tuple, Layout | None] = {}

    def is_unclear(self, path: str, given: Given | None) -> bool:
        """Whether a module is never called, or gives several tensors and not just one with maps."""
        return not given or (None not in given and self.layout(path, given) is None)

    def layout(self, path: str, given: Given) -> Layout | None:
        """Layout of what a module gives; None where it holds no maps."""
        channels = self.channels.get(path)
        key = (type(self.network.get_submodule(path)), *given.items(), channels)
        if key not in self.decided:
            self.decided[key] = self._decided(path, given, channels)
        return self.decided[key]

    def _decided(self, path: str, given: Given, channels: int | None) -> Layout | None:
        settings = {"channels": channels, "n_prefix_tokens": self.leading, "min_side": self.least}
        possible = [
            replace(layout, output_index=item)
            for item, shape in given.items()
            for layout in possible_layouts(shape, **settings)
        ]
        # Rows and columns are maps where a module gives something of other forms besides.
        possible = [layout for layout in possible if layout.n_prefix_tokens is None] or possible
        items = {layout.output_index for layout in possible}
        if len(items) != 1 or _shares_channels(given, possible[0]):
            return None
        # Channels before tokens are so rare that they need a witness.
        first = possible[0]
        if len(possible) == 1 and not (first.axis == 1 and first.n_prefix_tokens is not None):
            return first
        return self._witnessed(path, possible)

    def _witnessed(self, path: str, possible: list[Layout]) -> Layout | None:
        weights = dict(self.network.named_parameters())
        own = {name: one for name, one in weights.items() if name.startswith(f"{path}.")}
        axes = channel_axis_by_gradient(
            partial(_run, self.network, [path]),
            own or weights,
            possible[0],
            (1, 3, self.size, self.size),
            {layout.axis for layout in possible},
        )
        left = [layout for layout in possible if layout.axis in axes]
        if len(left) > 1:
            # Tokens that are mixed by weights of their own are those of a map alone.
            left = [layout for layout in left if layout.n_prefix_tokens == 0]
        if len(left) != 1 and len(possible) > 1:
            print(
                f"{type(self.network).__name__} gives at {path} what could be laid out in several "
                "ways: it is no layer"
            )
        return left[0] if len(left) == 1 else None


def _shares_channels(given: Given, layout: Layout) -> bool:
    """Whether a module gives tokens of the same channels besides, which would not fall silent."""
    channels = given[layout.output_index][layout.axis]
    others = [shape for item, shape in given.items() if item != layout.output_index]
    return any(len(shape) in (2, 3) and shape[-1] == channels for shape in others)


def _calls(network: nn.Module, paths: Sequence[str], size: int) -> dict[str, Given]:
    """Shapes of what each module gives for one blank image, in the order of their last calls."""
    seen: dict[str, Given] = {}

    def note(path: str, given: Any) -> None:
        seen.pop(path, None)
        seen[path] = _shapes(given)

    with torch.no_grad():
        _run(network, paths, note, torch.zeros(1, 3, size, size))
    return seen


def _shapes(given: Any) -> Given:
    if isinstance(given, Tensor):
        return {None: given.shape}
    several = given if type(given) in (tuple, list) else ()
    return {place: one.shape for place, one in enumerate(several) if isinstance(one, Tensor)}


def _run(
    network: nn.Module,
    paths: Sequence[str],
    note: Callable[[str, Any], object],
    image: Tensor,
    **instead: Any,
) -> None:
    """Tell what modules give for an image.

    With `weights` in place of some of the network's and the others fixed, and with what `given`
    makes of what the modules are given, of the first of them alone.
    """
    alone = bool(instead)
    standing_in = {**_fixed(network), **instead["weights"]} if alone else {}
    modules = dict(network.named_modules())
    with ExitStack() as hooks:
        for path in paths:
            hook = partial(_tell, note, path, alone)
            hooks.enter_context(modules[path].register_forward_hook(hook))
            if alone:
                before = partial(_replace, instead["given"])
                hooks.enter_context(modules[path].register_forward_pre_hook(before))
        with eval_mode(network), suppress(_Reached):
            functional_call(network, standing_in, (image,))


def _fixed(network: nn.Module) -> dict[str, Tensor]:
    """A network's weights without gradients, and batch norms' statistics as they begin."""
    found = {name: one.detach() for name, one in network.named_parameters()}
    for name, one in network.named_buffers():
        if name.endswith("running_mean"):
            found[name] = torch.zeros_like(one)
        elif name.endswith("running_var"):
            found[name] = torch.ones_like(one)
    return found


class _Reached(Exception):
    """What a run was for has been told."""


def _tell(
    note: Callable, path: str, alone: bool, module: nn.Module, args: tuple, given: Any
) -> None:
    note(path, given)
    if alone:
        raise _Reached


def _replace(given: Callable[[Tensor], Tensor], module: nn.Module, args: tuple) -> tuple:
    return tuple(given(one) if isinstance(one, Tensor) else one for one in args)


def _below(network: nn.Module, path: str) -> list[str]:
    """Modules with weights in a container, or in the containers that a module holds."""
    module = network.get_submodule(path)
    holders = {path: module}
    if not isinstance(module, CONTAINERS):
        own = module.named_children()
        holders = {f"{path}.{name}": one for name, one in own if isinstance(one, CONTAINERS)}
    return [
        f"{holder}.{name}"
        for holder, one in holders.items()
        for name, child in one.named_children()
        if any(True for _ in child.parameters())
    ]
