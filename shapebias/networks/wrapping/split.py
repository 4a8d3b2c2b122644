"""Split a network at named layers by tracing its forward pass."""

import inspect
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import fx, nn

from shapebias.errors import ShapebiasError, UnknownLayer
from shapebias.networks.eval_mode import eval_mode
from shapebias.networks.fx_graph import drop_dead_code, reshape_views
from shapebias.networks.wrapping.activation_functions import is_activation

# Modules that only contain a network's trunk, whose stages are one level down.
TRUNKS = ("features", "layers", "trunk_output", "blocks", "stages", "encoder", "body")
# A module wraps another if the other has at least this share of its weights.
NEARLY_ALL = 0.9
BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


class CannotSplit(ShapebiasError):
    """A network whose forward pass cannot be split at the requested layers."""


@dataclass(frozen=True)
class Split:
    """Modules that lead to each layer of a network, and those after the last."""

    segments: dict[str, list[nn.Module]]
    tail: list[nn.Module]


def split_at_layers(network: nn.Module, layers: Mapping[str, str], *, once: bool = False) -> Split:
    """Split a network at layers.

    Parameters
    ----------
    network
        From normalised images to class scores; traced in eval mode, and left unchanged.
    layers
        Name of each layer to the dotted name of the module whose output it is. If only batch norm
        and an activation function follow the module, it is the output of the activation.
    once
        Whether a layer that equals one before it is left out, as when a convolution and its batch
        norm are two stages.

    Raises
    ------
    UnknownLayer
        If the network has no such module.
    CannotSplit
        If it cannot be traced, or what follows a layer needs more than that layer's output.
    """
    modules = dict(network.named_modules())
    check_modules(network, layers.values())
    graph = _traced(network, layers.values())
    nodes: dict[str, fx.Node] = {}
    for name, path in layers.items():
        node = _node_of(graph, path, modules)
        if node is None or not _is_narrow(graph, node):
            raise CannotSplit(
                f"{type(network).__name__} cannot be split at {layers[name]!r} (layer {name!r}): "
                "what follows needs more than its output, or it is never called"
            )
        if not (once and node in nodes.values()):
            nodes[name] = node
    return _split_at(network, graph, nodes)


def check_modules(network: nn.Module, paths: Iterable[str]) -> None:
    """Raise `UnknownLayer` unless a network has modules with these dotted names."""
    known = dict(network.named_modules()).keys() - {""}
    for path in paths:
        if path not in known:
            raise UnknownLayer(f"module of {type(network).__name__}", path, known)


def stages_of(network: nn.Module) -> list[str]:
    """Top-level modules with weights; of a module that only contains the trunk, its parts."""
    stages, total = [], _n_weights(network)
    for name, child in network.named_children():
        wrapped = _n_weights(child) >= NEARLY_ALL * total and _has_parts(child)
        inner = stages_of(child) if name in TRUNKS or wrapped else []
        stages += [f"{name}.{path}" for path in inner] or ([name] if _n_weights(child) else [])
    return stages


def _n_weights(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def _has_parts(module: nn.Module) -> bool:
    """Whether a module is a sequence of others, or its children have children with weights."""
    inner = [grandchild for child in module.children() for grandchild in child.children()]
    return isinstance(module, nn.Sequential) or any(map(_n_weights, inner))


class StageTracer(fx.Tracer):
    """Tracer that traces into a module only if it contains a stage."""

    def __init__(self, stages: Iterable[str]):
        super().__init__()
        self.stages = tuple(stages)

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        """Whether a module is one node of the graph."""
        return not any(stage.startswith(f"{module_qualified_name}.") for stage in self.stages)


def _traced(network: nn.Module, paths: Iterable[str]) -> fx.Graph:
    try:
        with eval_mode(network):
            graph = StageTracer(paths).trace(network, concrete_args=_defaults(network))
    except (fx.proxy.TraceError, TypeError, RuntimeError, ValueError, NameError) as error:
        reason = (str(error).splitlines() or [""])[0][:100]
        raise CannotSplit(
            f"{type(network).__name__} cannot be split, as torch.fx cannot trace it ({reason})"
        ) from error
    _drop_other_arguments(graph)
    if not drop_dead_code(graph, network):
        raise CannotSplit(
            f"{type(network).__name__} cannot be split, as it reads values that it changed in place"
        )
    reshape_views(graph)
    return graph


def _defaults(network: nn.Module) -> dict[str, Any]:
    """Default values of the arguments besides the image."""
    _, *others = inspect.signature(network.forward).parameters.values()
    return {
        parameter.name: parameter.default
        for parameter in others
        if parameter.default is not parameter.empty
    }


def _drop_other_arguments(graph: fx.Graph) -> None:
    """Remove the checks that tracing adds for the arguments besides the image."""
    _, *others = (node for node in graph.nodes if node.op == "placeholder")
    added = dict.fromkeys(others)
    for node in graph.nodes:
        if any(read in added for read in node.all_input_nodes):
            added[node] = None
    for node in reversed(added):
        graph.erase_node(node)


def _node_of(graph: fx.Graph, path: str, modules: Mapping[str, nn.Module]) -> fx.Node | None:
    """Node of a module's last call, or of the activation function that follows it."""
    calls = [node for node in graph.nodes if node.op == "call_module" and node.target == path]
    node = follower = calls[-1] if calls else None
    while follower and len(follower.users) == 1:
        (follower,) = follower.users
        if is_activation(follower, modules):
            return follower
        module = modules.get(follower.target) if follower.op == "call_module" else None
        if not isinstance(module, BATCH_NORMS):
            break
    return node


def _is_narrow(graph: fx.Graph, node: fx.Node) -> bool:
    """Whether everything after a node depends on the image through that node alone."""
    nodes = list(graph.nodes)
    place = nodes.index(node)
    before = set(nodes[:place])
    return not any(before & set(after.all_input_nodes) for after in nodes[place + 1 :])


def _split_at(network: nn.Module, graph: fx.Graph, layers: Mapping[str, fx.Node]) -> Split:
    nodes = list(graph.nodes)
    places = {name: nodes.index(node) for name, node in layers.items()}
    start, segments = next(place for place, n in enumerate(nodes) if n.op == "placeholder"), {}
    for name in sorted(places, key=places.get):
        segments[name] = _modules_between(network, nodes, start, places[name])
        start = places[name]
    # The last node is the graph's output, which returns the scores.
    return Split(segments, _modules_between(network, nodes, start, len(nodes) - 2))


def _modules_between(network: nn.Module, nodes: list[fx.Node], start: int, end: int) -> list:
    """Modules between two nodes: the network's own where they are a sequence, else traced ones."""
    between = nodes[start + 1 : end + 1]
    modules, last = [], nodes[start]
    for node in between:
        if node.op != "call_module" or node.args != (last,) or node.kwargs:
            break
        modules.append(network.get_submodule(node.target))
        last = node
    if len(modules) == len(between):
        return modules
    # Values that later nodes read as well, as in a residual block, are computed in the traced part.
    while modules and _reads(between[len(modules) :], nodes[start : start + len(modules)]):
        modules.pop()
    number = len(modules)
    return [*modules, *_after(network, nodes[start + number], between[number:])]


def _reads(later: list[fx.Node], earlier: list[fx.Node]) -> bool:
    return any(read in earlier for node in later for read in node.all_input_nodes)


def _after(network: nn.Module, before: fx.Node, between: list[fx.Node]) -> list[nn.Module]:
    """Modules for the nodes after one: `nn.Flatten` for `torch.flatten`, traced ones else."""
    first = between[0]
    if first.target is torch.flatten and first.args == (before, 1):
        later = between[1:]
        modules = [nn.Flatten()]
        while later and later[0].op == "call_module" and later[0].args == (first,):
            first = later.pop(0)
            modules.append(network.get_submodule(first.target))
        if not later:
            return modules
    graph = fx.Graph()
    copies = {before: graph.placeholder("activation")}
    for node in between:
        copies[node] = graph.node_copy(node, copies.__getitem__)
    graph.output(copies[between[-1]])
    return [fx.GraphModule(network, graph)]
