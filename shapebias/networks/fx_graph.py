"""torch.fx graphs of networks: trace them, remove unused nodes, find in-place operations."""

from collections.abc import Sequence

import torch
from torch import fx, nn

# Names that `+=` and other in-place operators are traced to.
IN_PLACE = ("iadd", "isub", "imul", "itruediv", "ifloordiv", "imod", "ipow", "imatmul", "setitem")


def drop_dead_code(graph: fx.Graph, root: nn.Module) -> bool:
    """Remove nodes that do not lead to the output, such as an auxiliary head.

    Parameters
    ----------
    graph
        Traced from `root`; changed in place.
    root
        Module that owns the modules that the graph calls.

    Returns
    -------
    Whether every remaining node has a reader. A node without one is kept if it may change its
    input in place; the graph then does not show all dependencies.
    """

    def is_needed(node: fx.Node) -> bool:
        return node.op in ("placeholder", "output") or _in_place(node, root)

    graph.eliminate_dead_code(is_needed)
    return all(node.users or node.op in ("placeholder", "output") for node in graph.nodes)


def reshape_views(graph: fx.Graph) -> None:
    """Make every ``view`` to another shape a ``reshape``, which also takes channels-last memory."""
    for node in graph.nodes:
        is_view = node.op == "call_method" and node.target == "view"
        if is_view and not any(isinstance(argument, torch.dtype) for argument in node.args):
            node.target = "reshape"


def reads_changed(graph: fx.Graph, root: nn.Module) -> bool:
    """Whether a value is read after a node may have changed it in place."""
    visited = set()
    for node in graph.nodes:
        visited.add(node)
        changed = node.all_input_nodes[:1] if _in_place(node, root) else []
        if any(set(value.users) - visited for value in changed):
            return True
    return False


def _in_place(node: fx.Node, root: nn.Module) -> bool:
    """Whether a node may change its first input in place."""
    if node.op == "call_module":
        called = root.get_submodule(node.target).modules()
        return any(getattr(module, "inplace", False) for module in called)
    name = getattr(node.target, "__name__", str(node.target))
    in_place = name in IN_PLACE or (name.endswith("_") and not name.endswith("__"))
    return in_place or bool(node.kwargs.get("inplace")) or "out" in node.kwargs


def traced(modules: Sequence[nn.Module]) -> fx.GraphModule:
    """Trace a sequence of modules into one graph, which shares them.

    A module that torch.fx cannot trace is one node.
    """
    root = nn.Sequential(*modules)
    opaque = {module for module in modules if not traceable(module)}
    graph = _Tracer(opaque).trace(root)
    drop_dead_code(graph, root)
    reshape_views(graph)
    return fx.GraphModule(root, graph)


def traceable(module: nn.Module) -> bool:
    """Whether torch.fx traces a module into a graph that shows all dependencies."""
    try:
        graph = fx.symbolic_trace(module).graph
    # Users' code can raise anything when it receives a proxy instead of a tensor.
    except Exception:
        return False
    return drop_dead_code(graph, module) and not reads_changed(graph, module)


class _Tracer(fx.Tracer):
    def __init__(self, opaque: set[nn.Module]):
        super().__init__()
        self._opaque = opaque

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return m in self._opaque or super().is_leaf_module(m, module_qualified_name)
