"""Total variation of convolution kernels."""

import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor, nn

from shapebias.errors import ShapebiasError
from shapebias.networks.classifier import Classifier
from shapebias.smoothness.total_variation import total_variation


def kernel_tv(model: Classifier) -> pd.DataFrame:
    """Mean total variation of the kernels of each convolution that is larger than 1 x 1.

    Returns
    -------
    Frame with layer, the convolution's name in the network's `state_dict`; n_filters; and mean_tv,
    the mean over its filters and their input channels. The last row, "all", has the number of
    filters of all those convolutions and the mean over all their filters and input channels, so
    that each two-dimensional kernel weighs the same. NaN where there are none.
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
    """Weights of the network's first convolution, detached."""
    for module in model.network.modules():
        if isinstance(module, nn.Conv2d):
            return module.weight.detach()
    raise ShapebiasError(f"{model!r} has no convolution, so no kernels to match")
