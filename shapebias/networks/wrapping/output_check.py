"""Check that a module returns one score per class and image."""

from typing import Any

import torch
from torch import nn

from shapebias.errors import ShapebiasError, UnsupportedInputSize, first_line
from shapebias.networks.eval_mode import eval_mode
from shapebias.runtime.system_errors import explain

# Networks in a form that hides their modules, and what to give in their place.
HIDDEN = {
    torch.jit.ScriptModule: "give it before torch.jit makes it",
    nn.DataParallel: "give its `.module`",
    nn.parallel.DistributedDataParallel: "give its `.module`",
}


def check_output(network: Any, n_classes: int, size: int, source: str) -> None:
    """Raise `ShapebiasError` unless this is a network that gives a score a class.

    Parameters
    ----------
    network
        Whatever was made; left in its mode.
    n_classes
        Number of scores that are wanted.
    size
        Side of the image, in pixels.
    source
        What error messages call the network.

    Raises
    ------
    UnsupportedInputSize
        If the network raises an error.
    ShapebiasError
        If it is no `torch.nn.Module` of float32, its modules cannot be reached, or its scores have
        another shape.
    """
    if not isinstance(network, nn.Module):
        raise ShapebiasError(f"{source} returns {type(network).__name__} and no torch.nn.Module")
    for kind, cure in HIDDEN.items():
        if isinstance(network, kind):
            raise ShapebiasError(f"{source} is a {kind.__name__}, which hides its layers: {cure}")
    for name, value in network.named_parameters():
        if value.dtype != torch.float32:
            kind = str(value.dtype).removeprefix("torch.")
            raise ShapebiasError(f"{source} has {name} in {kind}: make the network `.float()`")
    shape = _shape_of_scores(network, size, source)
    if shape != (1, n_classes):
        raise ShapebiasError(
            f"{source} gives scores of shape {shape} for one image, and `classes` has {n_classes}"
        )


def _shape_of_scores(network: nn.Module, size: int, source: str) -> tuple[int, ...]:
    try:
        with eval_mode(network), torch.no_grad():
            scores = network(torch.zeros(1, 3, size, size))
    except Exception as error:
        # What the system refuses has its own line.
        if explain(error):
            raise
        raise UnsupportedInputSize(
            f"{source} fails on an image of {size}×{size} pixels: {type(error).__name__}: "
            f"{first_line(error)}"
        ) from error
    return tuple(getattr(scores, "shape", ()))
