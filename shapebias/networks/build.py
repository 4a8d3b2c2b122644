"""Networks as a study describes them, built and tried on one image of their size."""

import inspect
from collections.abc import Callable
from typing import Any, get_args

import torch

from shapebias.errors import ShapebiasError, UnsupportedInputSize, first_line
from shapebias.networks.classifier import Classifier
from shapebias.networks.eval_mode import eval_mode
from shapebias.networks.skip_init import SkipWeightInit
from shapebias.plugins import build, factory_of
from shapebias.runtime.system_errors import explain

# What torch and networks' own code raise for images of a size that they cannot take.
REFUSALS = (UnsupportedInputSize, RuntimeError, ValueError, AssertionError)
# Side for which most published networks are made, in pixels.
USUAL = 224
# Sides of patches, of windows, and of what networks shrink to one place.
MULTIPLES = (4, 8, 14, 16, 28, 32)


def build_network(
    architecture: dict[str, Any], classes: list[str], input_size: int | None = None
) -> Classifier:
    """Network of an architecture that is sure to give scores for images of its size.

    Parameters
    ----------
    architecture
        Kind and settings of a plug-in in `models`.
    classes
        Class names in the order of the scores.
    input_size
        Side of its images, in pixels; the architecture's own where None.

    Raises
    ------
    ShapebiasError
        If it cannot take images of that size, as where its maps shrink to nothing; the message
        names a size that it can, the least where that is sure. For what the plug-in itself raises.
    """
    try:
        return _tried(architecture, classes, input_size)
    except REFUSALS as error:
        if explain(error):
            raise

        def works(size: int, **changes: Any) -> bool:
            try:
                with SkipWeightInit():
                    _tried(architecture | changes, classes, size)
            except REFUSALS:
                return False
            return True

        size = input_size or USUAL
        found = _that_works(works, size)
        # What fails at every size fails for another reason.
        if found is None and isinstance(error, UnsupportedInputSize):
            raise
        told = _told(architecture, size, *found, works) if found else _name(architecture) + " fails"
        raise ShapebiasError(f"{told} ({first_line(error)})") from error


def _tried(architecture: dict[str, Any], classes: list[str], size: int | None) -> Classifier:
    given = {"input_size": size} if size else {}
    network = build("architectures", classes=classes, **given, **architecture)
    with eval_mode(network), torch.no_grad():
        network(torch.zeros(1, 3, network.input_size, network.input_size))
    return network


def _that_works(works: Callable[[int], bool], size: int) -> tuple[int, bool] | None:
    """A size that works, and whether it is the least of all that do; None if none is found.

    The nearest of some that are multiples, which are all that some networks take: where those that
    follow work as well, the least is sought between.
    """
    multiples = sorted({-(-(size + 1) // step) * step for step in MULTIPLES})
    tried = (*multiples, 2 * size, 4 * size, 8 * size, USUAL)
    high = next((n for n in tried if works(n)), None)
    if high is None or high < size or not (works(high + 1) and works(high + 3)):
        return high and (high, False)
    low = size
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if works(middle) else (middle, high)
    return high, True


def _name(architecture: dict[str, Any]) -> str:
    return architecture.get("name") or architecture.get("function") or architecture["kind"]


def _told(architecture: dict[str, Any], size: int, other: int, least: bool, works: Callable) -> str:
    what = f"{_name(architecture)} cannot take images of {size} pixels"
    if not least:
        return f"{what}, but those of {other}: bring them to it (`resize`, `input_size`)"
    parameter = setting_of(architecture, "stem")
    stems = get_args(parameter.annotation) if parameter else ()
    fit = [f"`stem: {stem}`" for stem in stems if works(size, stem=stem)]
    others = f", or choose {' or '.join(fit)}" if fit else ""
    return f"{what}, the least are {other}: bring them to it (`resize`, `input_size`){others}"


def setting_of(architecture: dict[str, Any], name: str) -> inspect.Parameter | None:
    """A setting that an architecture's plug-in takes; None where it takes none of the name."""
    return inspect.signature(factory_of("architectures", architecture["kind"])).parameters.get(name)
