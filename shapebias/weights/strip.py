"""Strip what training programs wrap around a network's weights."""

import re
from collections.abc import Mapping

from torch import Tensor

# Keys of the weights in a training program's checkpoint, beside optimiser states and counters;
# averaged weights are used only where there are no others.
STATE_DICT_KEYS = (
    *("state_dict", "model", "model_state_dict", "model_state", "network", "net"),
    *("state_dict_ema", "model_ema", "teacher"),
)
# Deepest nesting that is followed: a file can hold a mapping that contains itself.
MAX_DEPTH = 8
# Names that wrappers put before every key (`base`: a segmenter at several scales).
WRAPPER_NAMES = ("model", "network", "base")
# Names that data parallelism and compilation insert anywhere in a key, as in
# `features.module.0.weight` of an AlexNet.
INSERTED_NAMES = ("module", "_orig_mod")
# Names in torchvision's own files of DenseNets and vision transformers that its networks no
# longer use.
DEPRECATED_NAMES = {
    r"(denselayer\d+\.(?:norm|conv))\.([12])\.": r"\1\2.",
    r"(encoder_layer_\d+\.mlp)\.linear_1\.": r"\1.0.",
    r"(encoder_layer_\d+\.mlp)\.linear_2\.": r"\1.3.",
}


def inner_state_dict(content: object) -> dict:
    """Innermost mapping of weights in a checkpoint; empty if there is none."""
    for _ in range(MAX_DEPTH):
        if not isinstance(content, Mapping):
            break
        key = next((key for key in STATE_DICT_KEYS if isinstance(content.get(key), Mapping)), None)
        if key is None:
            return dict(content)
        content = content[key]
    return {}


def strip_wrappers(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weights without the names that wrappers leave in their keys.

    Examples
    --------
    >>> import torch
    >>> weight, bias = torch.zeros(2, 3), torch.zeros(2)
    >>> list(strip_wrappers({"model.module.fc.weight": weight, "model.module.fc.bias": bias}))
    ['fc.weight', 'fc.bias']
    """
    weights = {_strip_key(key): value for key, value in weights.items()}
    for wrapper in WRAPPER_NAMES:
        if weights and all(key.startswith(f"{wrapper}.") for key in weights):
            weights = {key.removeprefix(f"{wrapper}."): weights[key] for key in weights}
    return weights


def _strip_key(key: str) -> str:
    key = ".".join(step for step in key.split(".") if step not in INSERTED_NAMES)
    for deprecated, name in DEPRECATED_NAMES.items():
        key = re.sub(deprecated, name, key)
    return key
