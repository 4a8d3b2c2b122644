"""Steps of a traced forward pass whose results nobody reads, such as an auxiliary head's."""

from torch import fx, nn


def drop_dead_code(graph: fx.Graph, root: nn.Module) -> bool:
    """Take out of a graph what does not lead to its output.

    Parameters
    ----------
    graph
        Traced from `root`; changed in place.
    root
        Module that owns the modules that the graph calls.

    Returns
    -------
    Whether every step that is left has a reader. One that has none stays where it may change its
    input in place, so that others read something else; the graph's values then do not tell what
    depends on what.
    """

    def stays(node: fx.Node) -> bool:
        return node.op in ("placeholder", "output") or _in_place(node, root)

    graph.eliminate_dead_code(stays)
    return all(node.users or node.op in ("placeholder", "output") for node in graph.nodes)


def _in_place(node: fx.Node, root: nn.Module) -> bool:
    """Whether a step may change the value that it is given."""
    if node.op == "call_module":
        called = root.get_submodule(node.target).modules()
        return any(getattr(module, "inplace", False) for module in called)
    name = getattr(node.target, "__name__", str(node.target))
    settings = [*node.args, *node.kwargs.values()]
    # `functional.relu(values, True)`; what is not in place is kept for nothing but safety.
    return name.endswith("_") or "out" in node.kwargs or any(one is True for one in settings)
