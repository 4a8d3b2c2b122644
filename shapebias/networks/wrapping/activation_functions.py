"""Recognise activation functions in a torch.fx graph, however they are called."""

from collections.abc import Mapping

import torch
from torch import fx, nn
from torch.nn import functional

MODULES = (
    *(nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.PReLU, nn.RReLU, nn.ELU, nn.SELU, nn.CELU, nn.GELU),
    *(nn.SiLU, nn.Mish, nn.Hardswish, nn.Hardtanh, nn.Hardsigmoid, nn.Hardshrink, nn.Softplus),
    *(nn.Softsign, nn.Softshrink, nn.Tanhshrink, nn.Sigmoid, nn.Tanh, nn.LogSigmoid, nn.Threshold),
)
# Names of functions of torch and torch.nn.functional, and of methods of tensors; each also with
# the underscore of its in-place form.
NAMES = {
    *("relu", "relu6", "leaky_relu", "prelu", "rrelu", "elu", "selu", "celu", "gelu", "silu"),
    *("mish", "hardswish", "hardtanh", "hardsigmoid", "hardshrink", "softplus", "softsign"),
    *("softshrink", "tanhshrink", "sigmoid", "tanh", "logsigmoid", "threshold"),
}
# A lower bound of zero makes these a ReLU.
CLAMPS = {"clamp", "clamp_min", "clip"}


def is_activation(node: fx.Node, modules: Mapping[str, nn.Module]) -> bool:
    """Whether a node applies an activation function to its input, as module, function or method.

    Parameters
    ----------
    node
        Of a traced graph.
    modules
        Dotted name to module of the traced network.
    """
    if node.op == "call_module":
        return isinstance(modules.get(node.target), MODULES)
    name = _name(node)
    return name in NAMES or (name in CLAMPS and _lower_bound(node) == 0)


def _name(node: fx.Node) -> str:
    """Name of the function or method that a node calls, without the in-place underscore."""
    if node.op == "call_method":
        return str(node.target).removesuffix("_")
    if node.op != "call_function":
        return ""
    name = getattr(node.target, "__name__", "").removesuffix("_")
    owners = (torch, functional, torch.special)
    is_torchs = any(
        getattr(owner, form, None) is node.target for owner in owners for form in (name, f"{name}_")
    )
    return name if is_torchs else ""


def _lower_bound(node: fx.Node) -> object:
    _, *positional = node.args
    return positional[0] if positional else node.kwargs.get("min")
