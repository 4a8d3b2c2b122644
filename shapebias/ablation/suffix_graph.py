"""Traced graph of the modules after a layer, with folded batch norms and packed linear layers."""

from collections import Counter
from collections.abc import Sequence
from copy import deepcopy

import torch
from jaxtyping import Float
from torch import Tensor, fx, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval
from torch.utils.mkldnn import to_mkldnn

from shapebias.networks.fx_graph import traced

# Number of weights from which packing a linear layer saves time.
MANY_WEIGHTS = 2**20


def suffix_graph(modules: Sequence[nn.Module]) -> fx.GraphModule:
    """Trace modules that run after one another, in eval mode, as a graph of their operations.

    Batch norms are folded into the convolutions before them, and weights are copied into the
    fastest memory layout; the modules themselves do not change. A module that cannot be traced is
    one operation.
    """
    graph = traced(modules)
    by_name = dict(graph.named_modules())
    calls = Counter(node.target for node in graph.graph.nodes if node.op == "call_module")
    for node in list(graph.graph.nodes):
        if node.op == "call_module" and calls[node.target] == 1:
            graph.set_submodule(node.target, _optimised(node, by_name))
    graph.recompile()
    return graph


def _optimised(node: fx.Node, modules: dict[str, nn.Module]) -> nn.Module:
    """Module that a node calls, in the fastest layout; a batch norm after it is removed."""
    module = modules[node.target]
    if type(module) is nn.Linear and module.weight.numel() >= MANY_WEIGHTS:
        return PackedLinear(module)
    if type(module) is not nn.Conv2d:
        return module
    user = next(iter(node.users))
    if len(node.users) == 1 and _can_be_folded(modules.get(str(user.target))):
        module = fuse_conv_bn_eval(module, modules[user.target])
        user.replace_all_uses_with(node)
        user.graph.erase_node(user)
    else:
        module = deepcopy(module)
    return module.to(memory_format=torch.channels_last)


def _can_be_folded(module: nn.Module | None) -> bool:
    """Whether a module is a batch norm with running statistics."""
    return type(module) is nn.BatchNorm2d and module.running_mean is not None


class PackedLinear(nn.Module):
    """Linear layer with weights packed for oneDNN, two to four times as fast on the CPU.

    Parameters
    ----------
    linear
        The layer; its weights are copied and do not change.
    """

    def __init__(self, linear: nn.Linear):
        super().__init__()
        self.linear = linear
        usable = linear.weight.device.type == "cpu" and torch.backends.mkldnn.is_available()
        self.packed = to_mkldnn(linear) if usable else linear

    @property
    def weight(self) -> Float[Tensor, "output input"]:
        """Weights of the layer."""
        return self.linear.weight

    def forward(self, values: Float[Tensor, "pair input"]) -> Float[Tensor, "pair output"]:
        """Output of the layer."""
        return self.packed(values)
