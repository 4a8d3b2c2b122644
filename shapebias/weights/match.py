"""Match a state dict to a network: names, shapes, precision and values."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from shapebias.errors import ShapebiasError

# Prefixes of auxiliary classifiers, of GoogLeNet and Inception v3.
AUXILIARIES = ("aux", "AuxLogits.")
# Parts of the names of weights whose shapes follow from the size of images and of patches.
SIZE_DEPENDENT = ("pos_embed", "position", "patch_embed", "conv_proj")


def match_state_dict(
    network: nn.Module, weights: Mapping[str, Tensor], source: str
) -> dict[str, Tensor]:
    """State dict of a network from weights that match it, for `load_state_dict`.

    Parameters
    ----------
    network
        Network without a wrapper.
    weights
        Tensors under the network's names, as `align_to_network` returns them.
    source
        Name of the weights in error messages.

    Returns
    -------
    Weights that the network has, in its order. Narrower floating-point numbers keep their
    precision, as `load_state_dict` converts them one tensor at a time.

    Raises
    ------
    ShapebiasError
        If a parameter is missing, has another shape, does not belong to the network, or is not of
        finite numbers.

    Notes
    -----
    Batch norm's counters may be missing (files written before 2018 have none, and no measurement
    uses them). Auxiliary classifiers, which serve in training alone, are left out.
    """
    state = network.state_dict()
    name = type(network).__name__
    _check_names(state, weights, f"{source} is of another network than {name} as it is set up here")
    _check_shapes(state, weights, f"{source} does not fit {name}")
    # A state dict of the network's own, as it carries the versions of modules' formats.
    matched = network.state_dict()
    precisions = set()
    for key, value in state.items():
        if key not in weights:
            del matched[key]
            continue
        matched[key] = _checked(key, weights[key], value.dtype, source)
        if value.is_floating_point() and weights[key].dtype != value.dtype:
            precisions.add(str(weights[key].dtype).removeprefix("torch."))
    if precisions:
        print(f"{source}: weights in {', '.join(sorted(precisions))} are converted to float32")
    return matched


def _check_names(state: Mapping[str, Tensor], weights: Mapping[str, Tensor], message: str) -> None:
    missing = [key for key in state if key not in weights and not _is_counter(key)]
    unknown = [key for key in weights if key not in state and not key.startswith(AUXILIARIES)]
    if not missing and not unknown:
        return
    if not missing:
        advice = "the file is of a larger network: check the architecture's kind and settings"
    elif len(missing) == sum(not _is_counter(key) for key in state):
        advice = "no name is the same: another library's network, or another architecture"
    else:
        advice = "check the architecture's kind and settings, such as its depth"
    lists = {"missing": missing, "unknown": unknown}
    keys = "; ".join(f"{word} {first_few(names)}" for word, names in lists.items() if names)
    raise ShapebiasError(f"{message}: {keys}; {advice}")


def _check_shapes(state: Mapping[str, Tensor], weights: Mapping[str, Tensor], message: str) -> None:
    keys = [key for key in state if key in weights and weights[key].shape != state[key].shape]
    if not keys:
        return
    last_layer = list(state)[-1].rpartition(".")[0]
    if all(weights[key].numel() == state[key].numel() for key in keys):
        advice = "the same number of values in another shape: reshape them, and save them again"
    elif all(key.rpartition(".")[0] == last_layer for key in keys):
        advice = "the number of classes differs: check `classes`"
    elif all(any(part in key for part in SIZE_DEPENDENT) for key in keys):
        advice = "made for images of another size or other patches: check `input_size`, patch_size"
    else:
        advice = "another width or depth: check the architecture's settings"
    shape, expected = (tuple(tensors[keys[0]].shape) for tensors in (weights, state))
    raise ShapebiasError(
        f"{message}: {first_few(keys)} ({shape} where {expected} is needed); {advice}"
    )


def _checked(key: str, value: Tensor, dtype: torch.dtype, source: str) -> Tensor:
    """A weight in the network's precision, or in a narrower one, after a check of its values."""
    is_dense = value.layout == torch.strided and not value.is_meta and not value.is_complex()
    if not is_dense or (dtype.is_floating_point and not value.is_floating_point()):
        raise ShapebiasError(
            f"{source}: {key} is not a dense tensor of floating-point numbers; save it as one"
        )
    is_narrower = dtype.is_floating_point and value.element_size() < dtype.itemsize
    converted = value if is_narrower else value.to(dtype)
    if not dtype.is_floating_point and (converted != value).any():
        raise ShapebiasError(
            f"{source}: {key} holds {value.flatten()[0]:g} where whole numbers are needed; "
            "take another file"
        )
    if not torch.isfinite(converted.sum(dtype=torch.float64)):
        raise ShapebiasError(
            f"{source}: {key} holds NaN or infinite values, as after a training that diverged; "
            "take another file, or one of an earlier epoch"
        )
    if key.endswith("running_var") and (converted < 0).any():
        raise ShapebiasError(
            f"{source}: {key} holds a negative variance; download it again, or take another file"
        )
    return converted


def first_few(keys: list[str]) -> str:
    """List up to three keys, and the number of further ones."""
    more = f" and {len(keys) - 3} more" if len(keys) > 3 else ""
    return (", ".join(keys[:3]) or "nothing") + more


def _is_counter(key: str) -> bool:
    return key.endswith("num_batches_tracked")
