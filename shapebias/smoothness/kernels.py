"""Total variation of convolution kernels."""

import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor, nn

from shapebias.errors import ShapebiasError
from shapebias.networks.classifier import Classifier
from shapebias.smoothness.total_variation import total_variation


def kernel_tv(model: Classifier) -> pd.DataFrame:
    """Compute the mean total variation of the kernels of each convolution larger than 1×1.

    Returns
    -------
    Frame with layer, the convolution's name in the network's `state_dict`; n_filters; and mean_tv,
    the mean over its filters and their input channels. The last row, "all", has the number of
    filters of these convolutions and the mean over all their filters and input channels, so that
    each two-dimensional kernel has the same weight. NaN if there is no such convolution.

    Examples
    --------
    >>> from shapebias.plugins import build
    >>> model = build("architectures", kind="alexnet", classes=["cat", "dog"], width=0.125)
    >>> kernel_tv(model)[["layer", "n_filters"]]
             layer  n_filters
    0   features.0          8
    1   features.3         24
    2   features.6         48
    3   features.8         32
    4  features.10         32
    5          all        144
    """
    tvs = {
        name: total_variation(module.weight.detach().double().cpu())
        for name, module in model.network.named_modules()
        if isinstance(module, nn.Conv2d) and max(module.kernel_size) > 1
    }
    rows = [(name, len(tv), tv.mean().item()) for name, tv in tvs.items()]
    pooled = torch.cat([torch.empty(0), *(tv.flatten() for tv in tvs.values())])
    rows.append(("all", sum(map(len, tvs.values())), pooled.mean().item()))
    return pd.DataFrame(rows, columns=["layer", "n_filters", "mean_tv"])


def first_kernels(model: Classifier) -> Float[Tensor, "filter in row column"]:
    """Return the weights of the network's first convolution, detached.

    Raises
    ------
    ShapebiasError
        If the network has no convolution.
    """
    for module in model.network.modules():
        if isinstance(module, nn.Conv2d):
            return module.weight.detach()
    raise ShapebiasError("filter matching needs networks with a convolution; this one has none")
