"""A network's twin for attacks: its function in eval mode, in fewer and faster operations."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from weakref import WeakKeyDictionary

import torch
from jaxtyping import Float
from torch import Tensor, fx, nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_weights

from shapebias.networks.classifier import Classifier
from shapebias.networks.folded.packed_convolution import PackedWeights
from shapebias.networks.wrapping.fx_graph import traced

# Twins live as long as their networks; None for a network whose modules are watched.
_twins: WeakKeyDictionary[nn.Module, "Twin | None"] = WeakKeyDictionary()


def fold(model: nn.Module) -> nn.Module:
    """What an attack climbs in place of a network: equal to it in eval mode up to rounding.

    Batch norms are folded into the convolutions before them with the weights of now, and no
    gradient reaches the weights, so that a step of an attack costs less. A network of which there
    is no twin, as it cannot be cut or its modules are watched, stands for itself.

    Parameters
    ----------
    model
        Network in any mode; it is left as it is. Call again after each change of its weights.

    Notes
    -----
    In double precision an attack on either finds the same images, to 1e-10. In single precision
    the last digits of a gradient differ; where that turns a ReLU, or the sign of a gradient of
    nothing, an image's iterates differ by up to a step from there on, as they do between the
    network in single and in double precision.
    """
    if not isinstance(model, Classifier) or not model.is_split or model.is_ablated():
        return model
    if model not in _twins:
        _twins[model] = _made(model)
    twin = _twins[model]
    return model if twin is None else twin.refreshed()


def _made(model: Classifier) -> "Twin | None":
    segments = [*map(model.modules_of, model.layers), model.modules_of(None)]
    modules = [module for segment in segments for module in segment]
    if any(_is_hooked(module) for module in model.modules()):
        return None
    graph = traced([_Normalising(model.mean, model.std), *modules])
    return Twin(graph)


def _is_hooked(module: nn.Module) -> bool:
    return bool(module._forward_hooks or module._forward_pre_hooks)


class _Normalising(nn.Module):
    def __init__(self, mean: Tensor, std: Tensor):
        super().__init__()
        self.register_buffer("taken_off", mean)
        self.register_buffer("divided_by", std)

    def forward(self, images: Tensor) -> Tensor:
        return (images - self.taken_off) / self.divided_by


class Twin:
    """A traced network whose convolutions take the weights of the original anew.

    Parameters
    ----------
    graph
        The network's modules as one graph; dropout and foldable batch norms are taken out of it.
    """

    def __init__(self, graph: fx.GraphModule):
        self._convolutions: list[Convolution] = []
        modules = dict(graph.named_modules())
        for node in list(graph.graph.nodes):
            if node.op == "call_module" and node in graph.graph.nodes:
                self._lighten(graph, node, modules)
        graph.recompile()
        # In place of the original's mode, which the modules that are shared with it keep.
        graph.training = False
        self._graph = graph

    def refreshed(self) -> nn.Module:
        """The twin with the weights that the network has now."""
        # Packed weights are in one precision and cannot be compiled.
        packed = not torch.is_autocast_enabled("cpu") and self._graph._compiled_call_impl is None
        with torch.no_grad():
            for convolution in self._convolutions:
                convolution.refresh(packed)
        return self._graph

    def _lighten(self, graph: fx.GraphModule, node: fx.Node, modules: dict) -> None:
        module = modules[node.target]
        if isinstance(module, nn.Dropout):
            node.replace_all_uses_with(node.args[0])
            graph.graph.erase_node(node)
        if type(module) is not nn.Conv2d:
            return
        norm, rectified = None, False
        follower = _only_user(node, modules)
        if type(follower) is nn.BatchNorm2d and follower.track_running_stats:
            norm = follower
            _absorb(graph, node)
            follower = _only_user(node, modules)
        if type(follower) is nn.ReLU or follower in (functional.relu, torch.relu):
            rectified = True
            _absorb(graph, node)
            rectified = not _rectified_later(graph, node, modules)
        convolution = Convolution(module, norm, rectified)
        graph.set_submodule(node.target, convolution)
        self._convolutions.append(convolution)


def _only_user(node: fx.Node, modules: dict) -> Any:
    """Module or function that alone reads a node's value."""
    if len(node.users) != 1:
        return None
    (user,) = node.users
    return modules.get(user.target) if user.op == "call_module" else user.target


def _rectified_later(graph: fx.GraphModule, node: fx.Node, modules: dict) -> bool:
    """Put the ReLU of a node's value after the maximum over places that follows, if one does.

    The values are the same, and so are the gradients, of a fraction of the places.
    """
    if type(_only_user(node, modules)) is not nn.MaxPool2d:
        return False
    (pooled,) = node.users
    with graph.graph.inserting_after(pooled):
        after = graph.graph.call_function(functional.relu, (pooled,))
    pooled.replace_all_uses_with(after, delete_user_cb=lambda user: user is not after)
    return True


def _absorb(graph: fx.GraphModule, node: fx.Node) -> None:
    (user,) = node.users
    user.replace_all_uses_with(node)
    graph.graph.erase_node(user)


class Convolution(nn.Module):
    """A convolution with the batch norm and the ReLU after it, if any, in one.

    Parameters
    ----------
    original
        Module whose weights count, at each refresh.
    norm
        Batch norm that follows it, in eval mode.
    rectified
        Whether a ReLU follows.
    """

    def __init__(self, original: nn.Conv2d, norm: nn.BatchNorm2d | None, rectified: bool):
        super().__init__()
        # In a tuple: not registered, so that no mode is set and nothing is listed twice.
        self._originals = (original, norm)
        self.rectified = rectified
        weight = original.weight.detach()
        self.register_buffer("weight", weight.clone(memory_format=torch.channels_last))
        self.register_buffer("bias", weight.new_zeros(len(weight)))
        self._packed: PackedWeights | None = None

    def refresh(self, packed: bool) -> None:
        """Take over the original's weights as they are now."""
        original, norm = self._originals
        weight, bias = original.weight, original.bias
        if norm is not None:
            statistics = norm.running_mean, norm.running_var, norm.eps, norm.weight, norm.bias
            weight, bias = fuse_conv_bn_weights(weight, bias, *statistics)
        self.weight.copy_(weight)
        if bias is not None:
            self.bias.copy_(bias)
        fits = packed and PackedWeights.serves(original)
        self._packed = PackedWeights(self.weight, self.bias, original) if fits else None

    def forward(self, activation: Float[Tensor, "image in row column"]) -> Tensor:
        """The folded modules' output."""
        if self._packed is not None:
            return self._packed(activation, self.rectified)
        original, _ = self._originals
        output = original._conv_forward(activation, self.weight, self.bias)
        return functional.relu(output) if self.rectified else output


@contextmanager
def compiled_folded(model: nn.Module) -> Iterator[None]:
    """Within this context a network's twin, where it has one, is compiled."""
    twin = fold(model)
    if twin is not model:
        twin.compile()
    try:
        yield
    finally:
        twin._compiled_call_impl = None
