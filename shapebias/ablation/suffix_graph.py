"""Traced graph of a network's suffix, with packed linear layers."""

from collections import Counter
from collections.abc import Sequence
from copy import deepcopy

import torch
from jaxtyping import Float
from torch import Tensor, fx, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval
from torch.utils.mkldnn import to_mkldnn

from shapebias.networks.wrapping.fx_graph import traced

# A linear layer with fewer weights takes too little time to gain from another layout.
MANY_WEIGHTS = 2**20


def suffix_graph(modules: Sequence[nn.Module]) -> fx.GraphModule:
    """Modules that run after one another, in eval mode, as a graph of their operations.

    Batch norms are folded into the convolutions before them, and weights are copied into the
    layout that is fastest; the modules stay as they are. A module whose code cannot be traced is
    one operation.
    """
    graph = traced(modules)
    found = dict(graph.named_modules())
    calls = Counter(node.target for node in graph.graph.nodes if node.op == "call_module")
    for node in list(graph.graph.nodes):
        if node.op == "call_module" and calls[node.target] == 1:
            graph.set_submodule(node.target, _laid_out(node, found))
    graph.recompile()
    return graph


def _laid_out(node: fx.Node, modules: dict[str, nn.Module]) -> nn.Module:
    """Module that a node calls, in the layout that is fastest; a batch norm after it is gone."""
    module = modules[node.target]
    if type(module) is nn.Linear and module.weight.numel() >= MANY_WEIGHTS:
        return PackedLinear(module)
    if type(module) is not nn.Conv2d:
        return module
    user = next(iter(node.users))
    if len(node.users) == 1 and _folds(modules.get(str(user.target))):
        module = fuse_conv_bn_eval(module, modules[user.target])
        user.replace_all_uses_with(node)
        user.graph.erase_node(user)
    else:
        module = deepcopy(module)
    return module.to(memory_format=torch.channels_last)


def _folds(module: nn.Module | None) -> bool:
    """Whether a module is a batch norm of fixed statistics, not of those of what it is given."""
    return type(module) is nn.BatchNorm2d and module.running_mean is not None


class PackedLinear(nn.Module):
    """A linear layer through the library that runs convolutions, two to four times as fast.

    Parameters
    ----------
    linear
        The layer; its weights stay where they are and are copied.
    """

    def __init__(self, linear: nn.Linear):
        super().__init__()
        self.linear = linear
        usable = linear.weight.device.type == "cpu" and torch.backends.mkldnn.is_available()
        self.packed = to_mkldnn(linear) if usable else linear

    @property
    def weight(self) -> Float[Tensor, "output input"]:
        """The layer's own weights."""
        return self.linear.weight

    def forward(self, values: Float[Tensor, "run input"]) -> Float[Tensor, "run output"]:
        """The layer's output."""
        return self.packed(values)
