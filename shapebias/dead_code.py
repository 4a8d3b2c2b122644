"""Steps of a traced forward pass that nobody reads, and those that change what others read."""

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
