"""A user's own network, from a function in a package of theirs."""

import importlib
import inspect
import traceback
from contextlib import suppress
from types import ModuleType
from typing import Annotated, Any

from shapebias.errors import ShapebiasError, first_line
from shapebias.networks.classifier import Classifier
from shapebias.networks.wrapping.output_check import check_output
from shapebias.networks.wrapping.split import stages_of
from shapebias.networks.wrapping.wrap import wrap_network
from shapebias.ranges import Range
from shapebias.runtime.system_errors import explain

# The user's module may import torchvision, whose import must be prepared by this module first.
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
    """Network that a function returns, with named layers.

    Parameters
    ----------
    classes
        Class names in the order of the scores.
    function
        "package.module:function", which returns a `torch.nn.Module` from images to class scores.
        The package must be installed, or its folder be on PYTHONPATH.
    mean, std
        Per colour channel, with which the network's input is normalised. For a network that
        normalises its input itself: 0 and 1.
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
    A network that torch.fx cannot trace is read through forward hooks: its measurements are the
    same, but ablation is slow.

    The workflow watches the code of the module and of the modules in the same folder of Python's
    path that it imports, or of its own package if it is installed: an edit makes results of the
    network stale. A network that is trained is trained again.

    Raises
    ------
    ShapebiasError
        If the function does not exist or fails, it does not return a network with one score per
        class, or the network normalises its input although `mean` and `std` are not 0 and 1.
    """
    network = _call(function, settings or {})
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


def _call(function: str, settings: dict[str, Any]) -> Any:
    package, _, name = function.partition(":")
    module = _import(package, function)
    if not name or not hasattr(module, name):
        raise ShapebiasError(
            f"architectures/factory: {function!r} does not name a function: write "
            "package.module:function"
        )
    make = getattr(module, name)
    # Functions written in C may have no signature.
    with suppress(ValueError):
        _check_settings(make, function, settings)
    try:
        return make(**settings)
    except Exception as error:
        # Errors of the operating system are explained elsewhere.
        if explain(error):
            raise
        raise ShapebiasError(
            f"architectures/factory: {function} raises {_summary(error)}"
        ) from error


def _import(package: str, function: str) -> ModuleType:
    try:
        return importlib.import_module(package)
    except Exception as error:
        absent = error.name if isinstance(error, ModuleNotFoundError) else None
        if absent is not None and f"{package}.".startswith(f"{absent}."):
            raise ShapebiasError(
                f"architectures/factory: there is no module {package!r} for {function!r}: install "
                "its package, or put its folder on PYTHONPATH"
            ) from error
        raise ShapebiasError(
            f"architectures/factory: importing {package} raises {_summary(error)}"
        ) from error


def _check_settings(make: Any, function: str, settings: dict[str, Any]) -> None:
    try:
        inspect.signature(make).bind(**settings)
    except TypeError as error:
        raise ShapebiasError(
            f"architectures/factory: {function} {error}: correct `settings`, its keywords"
        ) from error


def _summary(error: Exception) -> str:
    """An error in one line, with the line of the user's own code that led to it."""
    text = f"{type(error).__name__}: {first_line(error)}"
    # Frames of installed packages, of Python's import system and of this file are not the user's.
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if not frame.filename.startswith("<")
        and "site-packages" not in frame.filename
        and frame.filename not in (__file__, importlib.__file__)
    ]
    return f"{text} ({frames[-1].filename}, line {frames[-1].lineno})" if frames else text
