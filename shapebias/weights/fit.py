"""Match a state dict to a network."""

from collections import OrderedDict
from collections.abc import Mapping

import numpy as np
import torch
from numpy._core.multiarray import scalar
from torch import Tensor, nn

from shapebias.errors import ShapebiasError

# Auxiliary classifiers, of GoogLeNet and Inception v3.
AUXILIARIES = ("aux", "AuxLogits.")
# Parts of the names of weights whose shapes follow from the size of images and of patches.
OF_SIZES = ("pos_embed", "position", "patch_embed", "conv_proj")
NUMBERS = [
    (scalar, "numpy.core.multiarray.scalar"),
    scalar,
    np.dtype,
    *{type(np.dtype(kind)) for kind in ("f4", "f8", "i4", "i8", "bool")},
]


def match_state_dict(
    network: nn.Module, weights: Mapping[str, Tensor], source: str
) -> dict[str, Tensor]:
    """The weights that a network needs, once it is sure that they are its own.

    Those of half precision are left in it: `load_state_dict` converts.

    Parameters
    ----------
    network
        Bare network, under whose names the weights must be.
    weights
        Tensors by name, as `read_weights` gives them.
    source
        What error messages call the weights.

    Raises
    ------
    ShapebiasError
        If a parameter is missing, has another shape, or belongs to no part of the network.

    Notes
    -----
    Batch norm's counters may be missing (files older than 2018 have none, and they are used in
    no measurement), and auxiliary classifiers, which serve in training alone, may be left over.
    """
    wanted = network.state_dict()
    missing = [key for key in wanted if key not in weights and not _is_counter(key)]
    unknown = [key for key in weights if key not in wanted and not key.startswith(AUXILIARIES)]
    unfit = [key for key in wanted if key in weights and weights[key].shape != wanted[key].shape]
    if missing or unknown:
        raise ShapebiasError(
            f"{source} is of another network than {type(network).__name__} as it is set up here: "
            f"missing {first_few(missing)}; unknown {first_few(unknown)}; "
            f"{_cause_of_names(missing, wanted)}"
        )
    if unfit:
        first = f"{tuple(weights[unfit[0]].shape)} where {tuple(wanted[unfit[0]].shape)} is needed"
        raise ShapebiasError(
            f"{source} does not fit {type(network).__name__}: {first_few(unfit)} ({first}); "
            f"{_cause_of_shapes(unfit, wanted, weights)}"
        )
    chosen = _in_precision({key: weights[key] for key in wanted if key in weights}, wanted, source)
    # The versions of the modules' layouts, which some modules ask for.
    chosen._metadata = wanted._metadata
    _check_numbers(chosen, source)
    return chosen


def _in_precision(
    weights: Mapping[str, Tensor], wanted: dict[str, Tensor], source: str
) -> OrderedDict[str, Tensor]:
    """Weights in a precision that the network's holds; whole numbers in the network's own.

    Half precision stays as it is: to convert it all would take three times its memory, and what is
    loaded is converted tensor by tensor.

    Raises
    ------
    ShapebiasError
        For values that are no plain numbers, quantised ones, and fractions of a whole number.
    """
    found, precisions = OrderedDict(), set()
    for key, value in weights.items():
        kind = wanted[key].dtype
        plain = value.layout == torch.strided and not value.is_meta and not value.is_complex()
        if not plain or (kind.is_floating_point and not value.is_floating_point()):
            raise ShapebiasError(f"{source}: {key} does not hold plain numbers; save it densely")
        narrow = kind.is_floating_point and value.element_size() < kind.itemsize
        found[key] = value if narrow else value.to(kind)
        if kind.is_floating_point and value.dtype != kind:
            precisions.add(str(value.dtype).removeprefix("torch."))
        if not kind.is_floating_point and (found[key] != value).any():
            raise ShapebiasError(
                f"{source}: {key} holds {value.flatten()[0]:g}, where whole numbers are needed; "
                "take another file"
            )
    if precisions:
        print(f"{source}: weights in {', '.join(sorted(precisions))} are converted to float32")
    return found


def _check_numbers(weights: Mapping[str, Tensor], source: str) -> None:
    """Raise `ShapebiasError` unless weights are finite numbers that a network can have."""
    for key, value in weights.items():
        if not torch.isfinite(value.sum(dtype=torch.float64)):
            raise ShapebiasError(
                f"{source}: {key} holds values that are no finite numbers, as after a training "
                "that diverged; take another file, or one of an earlier epoch"
            )
        if key.endswith("running_var") and (value < 0).any():
            raise ShapebiasError(
                f"{source}: {key} holds a negative variance; download it again, or take another"
            )


def _is_counter(key: str) -> bool:
    return key.endswith("num_batches_tracked")


def first_few(keys: list[str]) -> str:
    """List up to three keys, and say how many more there are."""
    more = f" and {len(keys) - 3} more" if len(keys) > 3 else ""
    return (", ".join(keys[:3]) or "nothing") + more


def _cause_of_names(missing: list[str], wanted: dict[str, Tensor]) -> str:
    if not missing:
        return "the file is of a larger network: check the architecture's kind and settings"
    if len(missing) == sum(not _is_counter(key) for key in wanted):
        return "no name is the same: another library's network, or another architecture"
    return "check the architecture's kind and settings, such as its depth"


def _cause_of_shapes(
    unfit: list[str], wanted: dict[str, Tensor], weights: Mapping[str, Tensor]
) -> str:
    last = list(wanted)[-1].rpartition(".")[0]
    if all(weights[key].numel() == wanted[key].numel() for key in unfit):
        return "as many numbers, laid out otherwise: bring them to that shape, and save them again"
    if all(key.rpartition(".")[0] == last for key in unfit):
        return "the number of classes differs: check `classes`"
    if all(any(one in key for one in OF_SIZES) for key in unfit):
        return (
            "made for images of another size, or for other patches: check `input_size`, patch_size"
        )
    return "another width or depth: check the architecture's settings"
