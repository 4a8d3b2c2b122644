"""A user's own network, from a function in a package of theirs."""

import importlib
import inspect
import traceback
from contextlib import suppress
from types import ModuleType
from typing import Annotated, Any

from torch import nn

from shapebias.errors import ShapebiasError, first_line
from shapebias.networks.classifier import Classifier
from shapebias.networks.wrapping.output_check import check_output
from shapebias.networks.wrapping.split import stages_of
from shapebias.networks.wrapping.wrap import wrap_network
from shapebias.ranges import Range
from shapebias.runtime.system_errors import explain

# Imported first, so that a user's module can import torchvision beside a CPU-only torch.
from shapebias.torchvision_import import torchvision  # noqa: F401


def build(
    *,
    classes: list,
    function: str,
    mean: list,
    std: list,
    settings: dict | None = None,
    input_size: Annotated[int, Range(ge=8)] = 224,
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
        If there is no such function, it fails, it returns no network of as many classes, or the
        network normalises by itself although `mean` and `std` say otherwise.
    """
    network = _called(function, settings or {})
    check_output(network, len(classes), input_size, function)
    return wrap_network(
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
    module = _imported(package, function)
    if not name or not hasattr(module, name):
        raise ShapebiasError(
            f"architectures/factory: {function!r} names no function: write package.module:function"
        )
    make = getattr(module, name)
    with suppress(ValueError):
        # What is written in C has no signature at times.
        _check_settings(make, function, settings)
    try:
        return make(**settings)
    except Exception as error:
        # What the system refuses has its own line.
        if explain(error):
            raise
        raise ShapebiasError(f"architectures/factory: {function} raises {_told(error)}") from error


def _imported(package: str, function: str) -> ModuleType:
    try:
        return importlib.import_module(package)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{package}.".startswith(f"{error.name}."):
            raise _cannot_import(package, error) from error
        raise ShapebiasError(
            f"architectures/factory: there is no module {package!r} for {function!r}: install its "
            "package, or put its folder on PYTHONPATH"
        ) from error
    except Exception as error:
        raise _cannot_import(package, error) from error


def _cannot_import(package: str, error: Exception) -> ShapebiasError:
    return ShapebiasError(f"architectures/factory: importing {package} raises {_told(error)}")


def _check_settings(make: Any, function: str, settings: dict[str, Any]) -> None:
    try:
        inspect.signature(make).bind(**settings)
    except TypeError as error:
        raise ShapebiasError(
            f"architectures/factory: {function} {error}: correct `settings`, its keywords"
        ) from error


def _told(error: Exception) -> str:
    """An error in one line, with the last line of the user's own code on the way to it."""
    text = f"{type(error).__name__}: {first_line(error)}"
    # Python's own machinery of imports has no files, and packages raise what others gave them.
    frames = traceback.extract_tb(error.__traceback__)
    own = [
        frame
        for frame in frames
        if not frame.filename.startswith("<")
        and "site-packages" not in frame.filename
        and frame.filename not in (__file__, importlib.__file__)
    ]
    return f"{text} ({own[-1].filename}, line {own[-1].lineno})" if own else text
