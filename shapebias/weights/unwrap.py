"""What training programs wrap around a network's weights, and how it is taken off."""

import re
from collections import Counter
from collections.abc import Collection, Mapping

import torch
from torch import Tensor, nn

# Where training programs keep the weights among optimiser states, counters and the like; averaged
# weights only where there are no others.
STATE_DICT_KEYS = (
    *("state_dict", "model", "model_state_dict", "model_state", "network", "net"),
    *("state_dict_ema", "model_ema", "teacher"),
)
# A file can hold a mapping that holds itself.
DEEPEST = 8
# Wrappers that leave their name in front of every key (`base`: a segmenter at several scales).
# Data parallelism leaves `module`, not always in front: `features.module.0.weight` in AlexNets.
WRAPPERS = ("model", "network", "base")
# Names that wrappers put among the steps of a key.
STEPS = ("module", "_orig_mod")
# Names in torchvision's files of DenseNets and vision transformers, and those of its networks.
FORMER_NAMES = {
    r"(denselayer\d+\.(?:norm|conv))\.([12])\.": r"\1\2.",
    r"(encoder_layer_\d+\.mlp)\.linear_1\.": r"\1.0.",
    r"(encoder_layer_\d+\.mlp)\.linear_2\.": r"\1.3.",
}
# Modules that were saved along and touch no score: an attacker with its own copy, losses.
COMPANIONS = ("attacker.", "criterion.", "loss.", "loss_fn.")
# What metrics that were saved along call their counts.
COUNTS = ("tp", "fp", "tn", "fn", "correct", "total", "confmat")
# What modules that normalise pixels call their two constants.
NORMALISERS = (("mean", "std"), ("new_mean", "new_std"), ("mu", "sigma"))
ROLES = {
    name: role for pair in NORMALISERS for role, name in zip(("mean", "std"), pair, strict=True)
}


def inner_state_dict(found: object) -> dict:
    """The innermost mapping of weights."""
    for _ in range(DEEPEST):
        if not isinstance(found, Mapping):
            break
        holder = next((key for key in STATE_DICT_KEYS if isinstance(found.get(key), Mapping)), None)
        if holder is None:
            return dict(found)
        found = found[holder]
    return {}


def strip_wrappers(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Weights without the names that wrappers leave in all their keys."""
    weights = {_of_today(_bare(key)): value for key, value in weights.items()}
    for wrapper in WRAPPERS:
        if weights and all(key.startswith(f"{wrapper}.") for key in weights):
            weights = {key.removeprefix(f"{wrapper}."): weights[key] for key in weights}
    return weights


def align_to_network(
    network: nn.Module, weights: dict[str, Tensor]
) -> tuple[dict[str, Tensor], dict[str, list[float]]]:
    """Weights under the names that a bare network gives them, and how its pixels were normalised.

    Parameters
    ----------
    network
        Bare network.
    weights
        Tensors by name, of the network alone or of one that holds it (`model.conv1.weight`) beside
        a module that normalises, an attacker or a loss.

    Returns
    -------
    The weights, with all that is of none of these, as only the network can tell whether it may be
    left out; and the `mean` and `std` of pixels in [0, 1] that the file holds, if it does.
    """
    wanted = network.state_dict().keys()
    weights = {key: value for key, value in weights.items() if not key.startswith(COMPANIONS)}
    prefix = _prefix(weights, wanted)
    weights = {key.removeprefix(prefix): value for key, value in weights.items()}
    above = _above(weights, wanted)
    bare, normalisation = {}, {}
    for key, value in weights.items():
        name = above + key
        role = ROLES.get(name.rpartition(".")[2])
        if role and role not in normalisation and name not in wanted and _is_of_colours(value):
            normalisation[role] = value.flatten().tolist()
        elif name in wanted or not _is_count(name, value):
            bare[name] = value
        else:
            print(f"{name} is left out: a count or an index, and no weight")
    return bare, normalisation


def _above(weights: Mapping[str, Tensor], wanted: Collection[str]) -> str:
    """What a network that wraps another wants before all names of a file of the inner one."""
    if any(key in wanted for key in weights):
        return ""
    starts = {key[: place.end()] for key in wanted for place in re.finditer(r"\.", key)}
    return next(
        (
            start
            for start in sorted(starts)
            if weights and all(start + key in wanted for key in weights)
        ),
        "",
    )


def _is_count(name: str, value: Tensor) -> bool:
    """Whether an entry is a metric's count, or an index that networks compute themselves."""
    whole = not (value.is_floating_point() or value.is_complex() or value.is_quantized)
    counter = name.endswith("num_batches_tracked")
    return name.rpartition(".")[2] in COUNTS or (whole and not counter)


def _prefix(weights: Mapping[str, Tensor], wanted: Collection[str]) -> str:
    """What stands before most of the names that a network wants; nothing where some are bare."""
    if any(key in wanted for key in weights):
        return ""
    found = Counter(
        key[:start]
        for key in weights
        for start in (place.end() for place in re.finditer(r"\.", key))
        if key[start:] in wanted
    )
    return found.most_common(1)[0][0] if found else ""


def _is_of_colours(value: Tensor) -> bool:
    dense = value.layout == torch.strided and not value.is_meta
    return dense and value.is_floating_point() and value.numel() == 3


def _of_today(key: str) -> str:
    """A key as torchvision writes it now; its own published files keep names of long ago."""
    for former, name in FORMER_NAMES.items():
        key = re.sub(former, name, key)
    return key


def _bare(key: str) -> str:
    return ".".join(step for step in key.split(".") if step not in STEPS)
