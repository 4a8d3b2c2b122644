"""Build a network and check that it accepts images of its input size."""

import inspect
from collections.abc import Callable
from typing import Any, get_args

import torch

from shapebias.errors import ShapebiasError, UnsupportedInputSize, first_line
from shapebias.networks.classifier import Classifier
from shapebias.networks.eval_mode import eval_mode
from shapebias.networks.skip_init import skip_weight_init
from shapebias.plugins import build, factory_of
from shapebias.runtime.system_errors import explain

# Errors that torch and networks' own code raise for images of a size that they do not accept.
SIZE_ERRORS = (UnsupportedInputSize, RuntimeError, ValueError, AssertionError)
# Side for which most published networks are made, in pixels.
USUAL_SIZE = 224
# Sides of patches and of windows, and factors by which networks reduce their maps.
MULTIPLES = (4, 8, 14, 16, 28, 32)


def build_network(
    architecture: dict[str, Any], classes: list[str], input_size: int | None = None
) -> Classifier:
    """Build a network, and check that it gives scores for an image of its size.

    Parameters
    ----------
    architecture
        Kind and settings of a plug-in in the family `architectures`.
    classes
        Class names in the order of the scores.
    input_size
        Side of its images, in pixels; the architecture's own where None.

    Raises
    ------
    ShapebiasError
        If the network does not accept images of that size, for example because its maps shrink to
        nothing. The message names an accepted size, the smallest where that is certain. Also for
        every error of the plug-in.
    """
    try:
        return _build_and_test(architecture, classes, input_size)
    except SIZE_ERRORS as error:
        if explain(error):
            raise

        def accepts(size: int, **settings: Any) -> bool:
            try:
                with skip_weight_init():
                    _build_and_test(architecture | settings, classes, size)
            except SIZE_ERRORS:
                return False
            return True

        size = input_size or USUAL_SIZE
        valid = _find_valid_size(accepts, size)
        # A network that fails at every size fails for another reason.
        if valid is None and isinstance(error, UnsupportedInputSize):
            raise
        name = architecture.get("name") or architecture.get("function") or architecture["kind"]
        advice = _advice(architecture, size, valid, accepts)
        raise ShapebiasError(f"{name} {advice} ({first_line(error)})") from error


def setting_of(architecture: dict[str, Any], name: str) -> inspect.Parameter | None:
    """Setting of an architecture's plug-in; None where it has none of the name."""
    return inspect.signature(factory_of("architectures", architecture["kind"])).parameters.get(name)


def _build_and_test(
    architecture: dict[str, Any], classes: list[str], size: int | None
) -> Classifier:
    settings = {"input_size": size} if size else {}
    model = build("architectures", classes=classes, **settings, **architecture)
    with eval_mode(model), torch.no_grad():
        model(torch.zeros(1, 3, model.input_size, model.input_size))
    return model


def _find_valid_size(accepts: Callable[[int], bool], size: int) -> tuple[int, bool] | None:
    """Find an accepted size, and whether it is the smallest of all; None if there is none.

    The first candidates are multiples, the only sizes that some networks accept. If the sizes that
    follow the first accepted one are accepted too, the smallest is found by bisection.
    """
    multiples = sorted({-(-(size + 1) // step) * step for step in MULTIPLES})
    candidates = (*multiples, 2 * size, 4 * size, 8 * size, USUAL_SIZE)
    high = next((candidate for candidate in candidates if accepts(candidate)), None)
    if high is None:
        return None
    if high < size or not (accepts(high + 1) and accepts(high + 3)):
        return high, False
    low = size
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if accepts(middle) else (middle, high)
    return high, True


def _advice(
    architecture: dict[str, Any],
    size: int,
    valid: tuple[int, bool] | None,
    accepts: Callable[..., bool],
) -> str:
    if valid is None:
        return "fails"
    accepted, is_smallest = valid
    if not is_smallest:
        return (
            f"does not accept images of {size} pixels, but accepts {accepted}: "
            "set `resize` and `input_size`"
        )
    stem = setting_of(architecture, "stem")
    choices = get_args(stem.annotation) if stem else ()
    stems = [f"`stem: {choice}`" for choice in choices if accepts(size, stem=choice)]
    alternative = f", or choose {' or '.join(stems)}" if stems else ""
    return (
        f"needs images of at least {accepted} pixels, not {size}: "
        f"set `resize` and `input_size`{alternative}"
    )
