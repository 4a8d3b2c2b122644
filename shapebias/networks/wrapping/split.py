"""Networks that were not made to be cut, cut at named layers by tracing their forward pass."""

import inspect
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import fx, nn
from torch.nn import functional
from torch.nn.modules.batchnorm import _BatchNorm

from shapebias.errors import ShapebiasError, UnknownLayer
from shapebias.networks.eval_mode import eval_mode
from shapebias.networks.wrapping.fx_graph import drop_dead_code

ACTIVATIONS = (nn.ReLU, nn.ReLU6, nn.SiLU, nn.GELU, nn.Hardswish, nn.LeakyReLU)
ACTIVATION_FUNCTIONS = (functional.relu, functional.relu6, torch.relu, functional.gelu)
# Modules that only hold a network's trunk, whose stages lie one level down.
TRUNKS = ("features", "layers", "trunk_output", "blocks", "stages", "encoder", "body")
# Share of the weights of a module that wraps another, under whatever name, that the other holds.
NEARLY_ALL = 0.9


class CannotSplit(ShapebiasError):
    """A network whose forward pass cannot be divided at the layers that are wanted."""


@dataclass(frozen=True)
class Cut:
    """Layers of a network with the modules that lead to each, as `Classifier` takes them."""

    segments: dict[str, list[nn.Module]]
    tail: list[nn.Module]


def split_at_layers(network: nn.Module, layers: Mapping[str, str], *, once: bool = False) -> Cut:
    """Cut a network at layers.

    Parameters
    ----------
    network
        From normalised images to class scores; traced in eval mode, and left as it is.
    layers
        Name of each layer to the dotted name of the module whose output it is. Where nothing but
        batch norm and an activation function follows the module, it is the output of that.
    once
        Whether a layer that is the same as one before it is left out, as where a convolution and
        its batch norm are two stages.

    Raises
    ------
    UnknownLayer
        If the network has no such module.
    CannotSplit
        If it cannot be traced, or not be cut there because what follows needs more than that
        module's output.
    """
    modules = dict(network.named_modules())
    check_modules(network, layers.values())
    graph = _traced(network, layers.values())
    found: dict[str, fx.Node] = {}
    for name, path in layers.items():
        node = _node_of(graph, path, modules)
        if node is None or not _is_narrow(graph, node):
            raise CannotSplit(
                f"{type(network).__name__} cannot be cut at {layers[name]!r} (layer {name!r}), as "
                "what follows needs more than its output, or it is never called"
            )
        if not (once and node in found.values()):
            found[name] = node
    return _cut_at(network, graph, found)


def check_modules(network: nn.Module, paths: Iterable[str]) -> None:
    """Raise `UnknownLayer` unless a network has modules of these dotted names."""
    known = dict(network.named_modules()).keys() - {""}
    for path in paths:
        if path not in known:
            raise UnknownLayer(f"module of {type(network).__name__}", path, known)


def stages_of(network: nn.Module) -> list[str]:
    """Modules with weights at a network's top, and inside of what only holds its trunk."""
    found, every = [], _weights(network)
    for name, child in network.named_children():
        wrapped = _weights(child) >= NEARLY_ALL * every and _is_made_of_parts(child)
        inner = stages_of(child) if name in TRUNKS or wrapped else []
        found += [f"{name}.{path}" for path in inner] or ([name] if _weights(child) else [])
    return found


def _weights(module: nn.Module) -> int:
    return sum(one.numel() for one in module.parameters())


def _is_made_of_parts(module: nn.Module) -> bool:
    """Whether a module is a row of others, or has parts that have parts, and is no single block."""
    inner = [one for child in module.children() for one in child.children()]
    return isinstance(module, nn.Sequential) or any(_weights(one) for one in inner)


class StageTracer(fx.Tracer):
    """Tracer that goes into a module only where a stage lies within it."""

    def __init__(self, stages: Iterable[str]):
        super().__init__()
        self.stages = tuple(stages)

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        """Whether a module is called as a whole."""
        return not any(stage.startswith(f"{module_qualified_name}.") for stage in self.stages)


def _traced(network: nn.Module, paths: Iterable[str]) -> fx.Graph:
    try:
        with eval_mode(network):
            graph = StageTracer(paths).trace(network, concrete_args=_defaults(network))
    except (fx.proxy.TraceError, TypeError, RuntimeError, ValueError, NameError) as error:
        reason = (str(error).splitlines() or [""])[0][:100]
        raise CannotSplit(
            f"{type(network).__name__} cannot be cut, nor traced for it ({reason})"
        ) from error
    _drop_other_arguments(graph)
    if not drop_dead_code(graph, network):
        raise CannotSplit(
            f"{type(network).__name__} cannot be cut, as it changes values in place and reads on"
        )
    return graph


def _defaults(network: nn.Module) -> dict[str, Any]:
    """Arguments besides the image, as they are when it is given alone."""
    _, *others = inspect.signature(network.forward).parameters.values()
    return {one.name: one.default for one in others if one.default is not one.empty}


def _drop_other_arguments(graph: fx.Graph) -> None:
    """Take out what tracing adds to see that the other arguments are as they were."""
    _, *others = (node for node in graph.nodes if node.op == "placeholder")
    added = dict.fromkeys(others)
    for node in graph.nodes:
        if any(one in added for one in node.all_input_nodes):
            added[node] = None
    for node in reversed(added):
        graph.erase_node(node)


def _node_of(graph: fx.Graph, path: str, modules: Mapping[str, nn.Module]) -> fx.Node | None:
    """Where a module is called last, or the activation function that follows it."""
    calls = [node for node in graph.nodes if node.op == "call_module" and node.target == path]
    node = here = calls[-1] if calls else None
    while here and len(here.users) == 1:
        (here,) = here.users
        module = modules.get(here.target) if here.op == "call_module" else None
        if isinstance(module, ACTIVATIONS) or here.target in ACTIVATION_FUNCTIONS:
            return here
        if not isinstance(module, _BatchNorm):
            break
    return node


def _is_narrow(graph: fx.Graph, node: fx.Node) -> bool:
    """Whether everything after a node depends on the image through that node alone."""
    nodes = list(graph.nodes)
    place = nodes.index(node)
    before = set(nodes[:place])
    return not any(before & set(after.all_input_nodes) for after in nodes[place + 1 :])


def _cut_at(network: nn.Module, graph: fx.Graph, found: Mapping[str, fx.Node]) -> Cut:
    nodes = list(graph.nodes)
    places = {name: nodes.index(node) for name, node in found.items()}
    start, segments = next(place for place, n in enumerate(nodes) if n.op == "placeholder"), {}
    for name in sorted(places, key=places.get):
        segments[name] = _modules_between(network, nodes, start, places[name])
        start = places[name]
    # The last node is the graph's output, which names the scores.
    return Cut(segments, _modules_between(network, nodes, start, len(nodes) - 2))


def _modules_between(network: nn.Module, nodes: list[fx.Node], start: int, end: int) -> list:
    """Modules from one node's value to another's: the network's own in a row, or traced ones."""
    between = nodes[start + 1 : end + 1]
    own, last = [], nodes[start]
    for node in between:
        if node.op != "call_module" or node.args != (last,) or node.kwargs:
            break
        own.append(network.get_submodule(node.target))
        last = node
    if len(own) == len(between):
        return own
    # What the rest reads besides the last of these values, as a sum around a block does, must be
    # computed within it.
    while own and _reads(between[len(own) :], nodes[start : start + len(own)]):
        own.pop()
    return [*own, *_after(network, nodes[start + len(own)], between[len(own) :])]


def _reads(later: list[fx.Node], earlier: list[fx.Node]) -> bool:
    return any(one in earlier for node in later for one in node.all_input_nodes)


def _after(network: nn.Module, given: fx.Node, between: list[fx.Node]) -> list[nn.Module]:
    """What follows a node: `torch.flatten` as the module of that name, the rest traced."""
    first = between[0]
    if first.target is torch.flatten and first.args == (given, 1):
        rest = between[1:]
        own = [nn.Flatten()]
        while rest and rest[0].op == "call_module" and rest[0].args == (first,):
            first = rest.pop(0)
            own.append(network.get_submodule(first.target))
        if not rest:
            return own
    graph = fx.Graph()
    copies = {given: graph.placeholder("activation")}
    for node in between:
        copies[node] = graph.node_copy(node, copies.__getitem__)
    graph.output(copies[between[-1]])
    return [fx.GraphModule(network, graph)]
