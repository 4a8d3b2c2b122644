"""torch.fx graphs of networks: trace them, remove unused nodes, find in-place operations."""

from collections.abc import Sequence

from torch import fx, nn

# What `+=` and the like become.
CHANGING = ("iadd", "isub", "imul", "itruediv", "ifloordiv", "imod", "ipow", "imatmul", "setitem")


def drop_dead_code(graph: fx.Graph, root: nn.Module) -> bool:
    """Take out of a graph what does not lead to its output, such as an auxiliary head.

    Parameters
    ----------
    graph
        Traced from `root`; changed in place.
    root
        Module that owns the modules that the graph calls.

    Returns
    -------
    Whether every step that is left has a reader. One that has none stays where it may change its
    input in place, so that others read something else; the graph then does not tell what depends
    on what.
    """

    def stays(node: fx.Node) -> bool:
        return node.op in ("placeholder", "output") or _in_place(node, root)

    graph.eliminate_dead_code(stays)
    return all(node.users or node.op in ("placeholder", "output") for node in graph.nodes)


def reads_changed(graph: fx.Graph, root: nn.Module) -> bool:
    """Whether a value is read again after a step may have changed it in place."""
    seen = set()
    for node in graph.nodes:
        seen.add(node)
        changed = node.all_input_nodes[:1] if _in_place(node, root) else []
        if any(set(value.users) - seen for value in changed):
            return True
    return False


def _in_place(node: fx.Node, root: nn.Module) -> bool:
    """Whether a step may change the value that it is given first."""
    if node.op == "call_module":
        called = root.get_submodule(node.target).modules()
        return any(getattr(module, "inplace", False) for module in called)
    name = getattr(node.target, "__name__", str(node.target))
    changing = name in CHANGING or (name.endswith("_") and not name.endswith("__"))
    return changing or bool(node.kwargs.get("inplace")) or "out" in node.kwargs


def traced(modules: Sequence[nn.Module]) -> fx.GraphModule:
    """Modules that run after one another as a graph of their operations; they are shared with it.

    A module whose code cannot be traced is one operation.
    """
    root = nn.Sequential(*modules)
    opaque = {module for module in modules if not traceable(module)}
    graph = _Tracer(opaque).trace(root)
    drop_dead_code(graph, root)
    return fx.GraphModule(root, graph)


def traceable(module: nn.Module) -> bool:
    """Whether a module's code is one graph of operations that says what depends on what."""
    try:
        graph = fx.symbolic_trace(module).graph
    # What other people's code does when it is shown a stand-in for a tensor can be anything.
    except Exception:
        return False
    return drop_dead_code(graph, module) and not reads_changed(graph, module)


class _Tracer(fx.Tracer):
    def __init__(self, opaque: set[nn.Module]):
        super().__init__()
        self._opaque = opaque

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return m in self._opaque or super().is_leaf_module(m, module_qualified_name)
