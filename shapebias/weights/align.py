"""Align the names of stripped weights to those of a network."""

import sys
from collections import Counter
from collections.abc import Collection, Mapping

import torch
from torch import Tensor, nn

# Modules that are saved beside a network and do not affect its scores: an attacker with a copy of
# the network, losses.
IGNORED_PREFIXES = ("attacker.", "criterion.", "loss.", "loss_fn.")
# Last names of metrics' counts.
METRIC_COUNTS = ("tp", "fp", "tn", "fn", "correct", "total", "confmat")
# Names of the two constants of modules that normalise pixels.
PIXEL_CONSTANTS = (
    *(("mean", "std"), ("new_mean", "new_std"), ("mu", "sigma"), ("means", "sds")),
    *(("pixel_mean", "pixel_std"), ("image_mean", "image_std")),
)
ROLES = {
    name: role for pair in PIXEL_CONSTANTS for role, name in zip(("mean", "std"), pair, strict=True)
}


def align_to_network(
    network: nn.Module, weights: Mapping[str, Tensor]
) -> tuple[dict[str, Tensor], dict[str, list[float]]]:
    """Weights under the names that a network gives them, and the constants that normalise pixels.

    Parameters
    ----------
    network
        Network without a wrapper.
    weights
        Tensors by name, of the network, of the network within this one, or of one that contains it
        (`backbone.conv1.weight`) beside a module that normalises pixels, an attacker or a loss.

    Returns
    -------
    The weights, including entries that the network does not have; and the `mean` and `std` of
    pixels in [0, 1] that the file holds, if any.
    """
    names = network.state_dict().keys()
    weights = {key: value for key, value in weights.items() if not key.startswith(IGNORED_PREFIXES)}
    outer = _prefix_in_file(weights, names)
    weights = {key.removeprefix(outer): value for key, value in weights.items()}
    inner = _prefix_in_network(weights, names)
    aligned: dict[str, Tensor] = {}
    constants: dict[str, list[float]] = {}
    for key, value in weights.items():
        name = inner + key
        role = ROLES.get(name.rpartition(".")[2])
        if role and role not in constants and name not in names and _is_of_colours(value):
            constants[role] = value.flatten().tolist()
        elif name in names or not _is_count(name, value):
            aligned[name] = value
        else:
            print(f"skipping {name}: not a weight")
    return remap_to_timm(network, aligned), constants


def remap_to_timm(network: nn.Module, weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Rename weights by timm's rules for a network of timm's whose names they do not have.

    They are returned unchanged where all names of the network are present or timm's rules do not
    lead to them.
    """
    module = type(network).__module__
    rules = getattr(sys.modules.get(module), "checkpoint_filter_fn", None)
    names = {key for key in network.state_dict() if not key.endswith("num_batches_tracked")}
    if not module.startswith("timm.") or rules is None or names <= weights.keys():
        return weights
    try:
        renamed = rules(dict(weights), network)
    # The rules are written for published files, and may raise any error on others.
    except Exception:
        return weights
    if not names <= renamed.keys():
        return weights
    print(f"weights are renamed by timm's rules for {type(network).__name__}")
    return dict(renamed)


def _prefix_in_file(keys: Collection[str], names: Collection[str]) -> str:
    """Most common prefix of a network's names in a file; "" where a name has none."""
    if any(key in names for key in keys):
        return ""
    prefixes = Counter(key[: -len(name)] for key in keys for name in _endings(key) if name in names)
    return prefixes.most_common(1)[0][0] if prefixes else ""


def _prefix_in_network(keys: Collection[str], names: Collection[str]) -> str:
    """Prefix in a network of all names in a file, as of a network that contains another."""
    if not keys or any(key in names for key in keys):
        return ""
    first = next(iter(keys))
    prefixes = sorted(name.removesuffix(first) for name in names if name.endswith(f".{first}"))
    return next((prefix for prefix in prefixes if all(prefix + key in names for key in keys)), "")


def _endings(key: str) -> list[str]:
    """Endings of a dotted key: of `a.b.c`, `b.c` and `c`."""
    steps = key.split(".")
    return [".".join(steps[start:]) for start in range(1, len(steps))]


def _is_count(name: str, value: Tensor) -> bool:
    """Whether an entry is a metric's count, or an index that networks compute themselves."""
    is_whole = not (value.is_floating_point() or value.is_complex() or value.is_quantized)
    is_batch_counter = name.endswith("num_batches_tracked")
    return name.rpartition(".")[2] in METRIC_COUNTS or (is_whole and not is_batch_counter)


def _is_of_colours(value: Tensor) -> bool:
    is_dense = value.layout == torch.strided and not value.is_meta
    return is_dense and value.is_floating_point() and value.numel() == 3
