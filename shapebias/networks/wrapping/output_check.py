"""Check that a module returns one score per class and image."""

from typing import Any

import torch
from torch import nn

from shapebias.errors import ShapebiasError, UnsupportedInputSize, first_line
from shapebias.networks.eval_mode import eval_mode
from shapebias.runtime.system_errors import explain

# Wrappers that hide a network's modules, and what to give instead.
UNSUPPORTED_WRAPPERS = {
    torch.jit.ScriptModule: "give the network from before torch.jit",
    nn.DataParallel: "give its `.module`",
    nn.parallel.DistributedDataParallel: "give its `.module`",
}


def check_output(network: Any, n_classes: int, size: int, source: str) -> None:
    """Raise `ShapebiasError` unless this is a network with one score per class.

    Parameters
    ----------
    network
        Object to check; its mode is left unchanged.
    n_classes
        Expected number of scores.
    size
        Side of the test image, in pixels.
    source
        Name of the network in error messages.

    Raises
    ------
    UnsupportedInputSize
        If the network raises an error.
    ShapebiasError
        If it is not a float32 `torch.nn.Module`, its modules are hidden by a wrapper, or its scores
        have another shape.
    """
    if not isinstance(network, nn.Module):
        raise ShapebiasError(f"{source} returns {type(network).__name__}, not a torch.nn.Module")
    for wrapper, fix in UNSUPPORTED_WRAPPERS.items():
        if isinstance(network, wrapper):
            raise ShapebiasError(f"{source} is a {wrapper.__name__}, which hides its layers: {fix}")
    for name, value in network.named_parameters():
        if value.dtype != torch.float32:
            dtype = str(value.dtype).removeprefix("torch.")
            raise ShapebiasError(f"{source} has {name} in {dtype}: call `.float()` on the network")
    shape = _shape_of_scores(network, size, source)
    if shape != (1, n_classes):
        raise ShapebiasError(
            f"{source} returns scores of shape {shape} for one image, but `classes` has {n_classes}"
        )


def _shape_of_scores(network: nn.Module, size: int, source: str) -> tuple[int, ...]:
    try:
        with eval_mode(network), torch.no_grad():
            scores = network(torch.zeros(1, 3, size, size))
    except Exception as error:
        # Errors of the operating system have their own message.
        if explain(error):
            raise
        raise UnsupportedInputSize(
            f"{source} fails on an image of {size}×{size} pixels: {type(error).__name__}: "
            f"{first_line(error)}"
        ) from error
    return tuple(getattr(scores, "shape", ()))
