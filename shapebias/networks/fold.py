"""A faster copy of a network for attacks, with batch norms folded into the convolutions."""

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
from shapebias.networks.fx_graph import traced

# Copies live as long as their networks.
_copies: WeakKeyDictionary[Classifier, "FoldedNetwork"] = WeakKeyDictionary()


def fold(model: nn.Module) -> nn.Module:
    """Return a copy of a network that computes the same in eval mode, faster.

    Batch norms are folded into the convolutions before them, with the current weights, and no
    gradient reaches the weights, so that a step of an attack costs less. A network that torch.fx
    cannot trace, or of which channels are ablated, is returned itself.

    Parameters
    ----------
    model
        Network in any mode; it is left unchanged. Call again after each change of its weights.

    Notes
    -----
    In double precision an attack on either finds the same images, to 1e-10. In single precision
    the last digits of a gradient differ; where that flips a ReLU, or the sign of a zero gradient,
    an image's iterates differ by up to a step from there on, as they do between the network in
    single and in double precision.
    """
    if not isinstance(model, Classifier) or not model.is_split or model.is_ablated():
        return model
    if model not in _copies:
        _copies[model] = FoldedNetwork(model)
    return _copies[model].refreshed()


@contextmanager
def compiled_folded(model: nn.Module) -> Iterator[None]:
    """Within this context `fold` returns a copy compiled by `torch.compile`."""
    fold(model)
    copy = _copies.get(model)
    if copy is not None:
        copy.compile()
    try:
        yield
    finally:
        if copy is not None:
            copy.decompile()


class FoldedNetwork:
    """A traced network whose convolutions take over the weights of the original at each refresh.

    Dropout and the batch norms that were folded are removed from its graph.

    Parameters
    ----------
    model
        Network that torch.fx can trace.
    """

    def __init__(self, model: Classifier):
        segments = [*map(model.modules_of, model.layers), model.modules_of(None)]
        modules = [module for segment in segments for module in segment]
        graph = traced([_Normalise(model.mean, model.std), *modules])
        self._convolutions: list[FoldedConvolution] = []
        by_name = dict(graph.named_modules())
        for node in list(graph.graph.nodes):
            if node.op == "call_module" and node in graph.graph.nodes:
                self._simplify(graph, node, by_name)
        graph.recompile()
        # Of the graph alone: the modules shared with the original keep their mode.
        graph.training = False
        self._graph = graph
        self._network: nn.Module = graph

    def refreshed(self) -> nn.Module:
        """Return the copy with the current weights of the original."""
        with torch.no_grad():
            for convolution in self._convolutions:
                convolution.refresh()
        return self._network

    def compile(self) -> None:
        """Compile the copy; it takes effect at its first call."""
        self._network = torch.compile(self._graph)

    def decompile(self) -> None:
        """Go back to the copy that is not compiled."""
        self._network = self._graph

    def _simplify(self, graph: fx.GraphModule, node: fx.Node, modules: dict) -> None:
        module = modules[node.target]
        if isinstance(module, nn.Dropout):
            node.replace_all_uses_with(node.args[0])
            graph.graph.erase_node(node)
        # Padding other than with zeros, or given as a word, is not worth a case of its own.
        if type(module) is not nn.Conv2d or module.padding_mode != "zeros":
            return
        norm, relu = None, False
        follower = _only_user(node, modules)
        if type(follower) is nn.BatchNorm2d and follower.track_running_stats:
            norm = follower
            _remove_user(graph, node)
            follower = _only_user(node, modules)
        if type(follower) is nn.ReLU or follower in (functional.relu, torch.relu):
            _remove_user(graph, node)
            relu = not _move_relu_after_pooling(graph, node, modules)
        convolution = FoldedConvolution(module, norm, relu)
        graph.set_submodule(node.target, convolution)
        self._convolutions.append(convolution)


class FoldedConvolution(nn.Module):
    """A convolution together with the batch norm and the ReLU that follow it, if any.

    Parameters
    ----------
    original
        Module whose weights are taken over at each refresh.
    norm
        Batch norm that follows it, in eval mode.
    relu
        Whether a ReLU follows.
    """

    def __init__(self, original: nn.Conv2d, norm: nn.BatchNorm2d | None, relu: bool):
        super().__init__()
        # In a tuple, so that they are not registered as submodules and keep their mode.
        self._originals = (original, norm)
        self._relu = relu
        weight = original.weight.detach()
        self.register_buffer("weight", weight.clone(memory_format=torch.channels_last))
        self.register_buffer("bias", weight.new_zeros(len(weight)))

    def refresh(self) -> None:
        """Take over the original's current weights."""
        original, norm = self._originals
        weight, bias = original.weight, original.bias
        if norm is not None:
            statistics = norm.running_mean, norm.running_var, norm.eps, norm.weight, norm.bias
            weight, bias = fuse_conv_bn_weights(weight, bias, *statistics)
        self.weight.copy_(weight)
        if bias is not None:
            self.bias.copy_(bias)

    def forward(
        self, activation: Float[Tensor, "image in _ _"]
    ) -> Float[Tensor, "image out row column"]:
        """Return the output of the folded modules."""
        shape, _ = self._originals
        output = functional.conv2d(
            activation,
            self.weight,
            self.bias,
            shape.stride,
            shape.padding,
            shape.dilation,
            shape.groups,
        )
        return functional.relu(output) if self._relu else output


class _Normalise(nn.Module):
    def __init__(self, mean: Float[Tensor, "1 3 1 1"], std: Float[Tensor, "1 3 1 1"]):
        super().__init__()
        self.register_buffer("mean", mean)
        self.register_buffer("std", std)

    def forward(self, images: Tensor) -> Tensor:
        return (images - self.mean) / self.std


def _only_user(node: fx.Node, modules: dict) -> Any:
    """Module or function that is the only one to read a node's value; None where several do."""
    if len(node.users) != 1:
        return None
    (user,) = node.users
    return modules.get(user.target) if user.op == "call_module" else user.target


def _remove_user(graph: fx.GraphModule, node: fx.Node) -> None:
    (user,) = node.users
    user.replace_all_uses_with(node)
    graph.graph.erase_node(user)


def _move_relu_after_pooling(graph: fx.GraphModule, node: fx.Node, modules: dict) -> bool:
    """Put the ReLU of a node's value after the max-pooling that follows, if one does.

    Values and gradients are the same, and fewer are computed.
    """
    if type(_only_user(node, modules)) is not nn.MaxPool2d:
        return False
    (pooled,) = node.users
    with graph.graph.inserting_after(pooled):
        after = graph.graph.call_function(functional.relu, (pooled,))
    pooled.replace_all_uses_with(after, delete_user_cb=lambda user: user is not after)
    return True
