"""Checkpoints of timm's networks as others published them, brought to timm's names."""

import sys
from collections.abc import Mapping

from torch import Tensor, nn


def remap_to_timm(network: nn.Module, weights: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    """Weights under the names of a network of timm's, by timm's own rules for its architecture.

    They are left as they are where all names that the network wants are there, or the network is
    not timm's. What the rules cannot read stays as well: what does not fit is told by others.
    """
    module = type(network).__module__
    rules = getattr(sys.modules.get(module), "checkpoint_filter_fn", None)
    wanted = {key for key in network.state_dict() if not key.endswith("num_batches_tracked")}
    if not module.startswith("timm.") or rules is None or wanted <= weights.keys():
        return weights
    try:
        changed = rules(dict(weights), network)
    # They are written for published files, and fail in any way on others.
    except Exception:
        return weights
    if not wanted <= changed.keys():
        return weights
    print(f"the names of the weights are changed by timm's rules for {type(network).__name__}")
    return changed
