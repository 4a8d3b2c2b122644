"""A user's own network, from a function in a package of theirs."""

import importlib
from typing import Annotated, Any

import torch
from torch import nn

from shapebias.classifier import Classifier
from shapebias.cutting import stages_of
from shapebias.errors import ShapebiasError
from shapebias.hooking import classifier
from shapebias.ranges import Range

# A user's module may import torchvision, which has to come through its one door first.
from shapebias.vision import torchvision  # noqa: F401


def build(
    *,
    classes: list,
    function: str,
    mean: list,
    std: list,
    settings: dict | None = None,
    input_size: Annotated[int, Range(least=8)] = 224,
    layers: dict | None = None,
) -> Classifier:
    """Network that a function returns, probed at named layers.

    Parameters
    ----------
    classes
        Class names in the order of the scores.
    function
        "package.module:function", which returns a `torch.nn.Module` from images to class scores.
        The package must be installed, or its folder be on PYTHONPATH.
    mean, std
        Of the pixels, per colour channel, that the network expects to be taken off and divided
        by. For a network that normalises by itself: 0 and 1.
    settings
        Keywords of the function.
    input_size
        Side of the images, in pixels.
    layers
        Name of each layer to the module whose output it is ("trunk.3"); by default the stages
        that give feature maps.

    Returns
    -------
    Classifier whose parameters have the names that the function's network gives them.

    Notes
    -----
    A network that cannot be cut at its layers, as its code asks for values or goes around them, is
    watched by hooks: it is measured alike, but slowly where channels are silenced.

    The workflow watches the module's code and that of the modules of the same package that it
    imports: an edit makes what the network is used for stale. A trained network is trained anew.

    Raises
    ------
    ShapebiasError
        If there is no such function, it returns no network of as many classes, or the network
        normalises by itself although `mean` and `std` say otherwise.
    """
    network = _called(function, settings or {})
    check_scores(network, len(classes), input_size, function)
    return classifier(
        network,
        layers=layers,
        stages=stages_of(network),
        classes=classes,
        mean=mean,
        std=std,
        input_size=input_size,
    )


def _called(function: str, settings: dict[str, Any]) -> nn.Module:
    package, _, name = function.partition(":")
    try:
        module = importlib.import_module(package)
    except ModuleNotFoundError as error:
        # What the user's own module fails to import is told as it is.
        if error.name is None or not f"{package}.".startswith(f"{error.name}."):
            raise
        raise ShapebiasError(
            f"models/factory: there is no module {package!r} for {function!r}: install its "
            "package, or put its folder on PYTHONPATH"
        ) from error
    if not name or not hasattr(module, name):
        raise ShapebiasError(
            f"models/factory: {function!r} names no function: write package.module:function"
        )
    return getattr(module, name)(**settings)


@torch.no_grad()
def check_scores(network: Any, n_classes: int, size: int, source: str) -> None:
    """Raise `ShapebiasError` unless this is a network that gives a score a class."""
    if not isinstance(network, nn.Module):
        raise ShapebiasError(f"{source} returns {type(network).__name__} and no torch.nn.Module")
    training = network.training
    scores = network.eval()(torch.zeros(1, 3, size, size))
    network.train(training)
    shape = tuple(getattr(scores, "shape", ()))
    if shape != (1, n_classes):
        raise ShapebiasError(
            f"{source} gives scores of shape {shape} for one image, and `classes` has {n_classes}"
        )
