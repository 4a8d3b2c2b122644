"""How smooth a network's filters and activation maps are: total variation, matched filters."""

from collections.abc import Iterable

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float, Float64
from scipy.stats import rankdata
from torch import Tensor, nn

from shapebias.classifier import Classifier
from shapebias.errors import ShapebiasError
from shapebias.evaluation import evaluating
from shapebias.predictions import Batch


def total_variation(maps: Float[Tensor, "*map row column"]) -> Float[Tensor, "*map"]:
    """Sum of the absolute differences between vertical and between horizontal neighbours.

    Anisotropic (beta = 1) and not divided by the area, in the unit of the map.

    References
    ----------
    .. [1] Rudin, Osher & Fatemi (1992). Nonlinear total variation based noise removal algorithms.
       Physica D 60. :DOI:`10.1016/0167-2789(92)90242-F`
    """
    vertical = maps.diff(dim=-2).abs().sum(dim=(-2, -1))
    horizontal = maps.diff(dim=-1).abs().sum(dim=(-2, -1))
    return vertical + horizontal


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


def activation_tv(model: Classifier, batches: Iterable[Batch]) -> pd.DataFrame:
    """Mean over images of the total variation of each channel's activation map.

    Parameters
    ----------
    model
        Network to run.
    batches
        Of ``(image_ids, images, labels)``, as for `shapebias.predictions.predict`.

    Returns
    -------
    Frame with layer, channel and mean_tv: maps in float32 at their native resolution, the mean in
    float64.

    Raises
    ------
    ShapebiasError
        If there is no image.
    """
    totals: dict[str, Tensor] = {}
    number = 0
    with evaluating(model):
        for _, images, _ in batches:
            number += len(images)
            for layer, maps in model.walk(images.to(model.mean.device, torch.float32)):
                tv = total_variation(maps.float()).double().sum(dim=0)
                totals[layer] = totals[layer] + tv if layer in totals else tv
    if number == 0:
        raise ShapebiasError("activation maps were asked for, but there is no image")
    rows = [
        (layer, channel, value / number)
        for layer, total in totals.items()
        for channel, value in enumerate(total.tolist())
    ]
    return pd.DataFrame(rows, columns=["layer", "channel", "mean_tv"])


def filter_matches(
    kernels_s: Float[Tensor, "filter in row column"],
    kernels_r: Float[Tensor, "match _ _ _"],
) -> pd.DataFrame:
    """For each filter of S, the filter of R with which it correlates most.

    Parameters
    ----------
    kernels_s, kernels_r
        First convolutions of the two networks, of the same kernel shape.

    Returns
    -------
    Frame with filter (of S), match (of R; the first where several tie), spearman (rank correlation
    of the two flattened kernels, tied weights having their average rank) and tv_difference (kernel
    TV of the filter minus that of its match; positive where R is smoother). Constant kernels have
    no rank correlation: those of S have no row, those of R match nothing.

    Raises
    ------
    ShapebiasError
        If the kernels differ in shape.
    """
    if kernels_s.shape[1:] != kernels_r.shape[1:]:
        shapes = f"{tuple(kernels_s.shape[1:])} and {tuple(kernels_r.shape[1:])}"
        raise ShapebiasError(f"filters of different shapes cannot be matched: {shapes}")
    ranks_s, ranks_r = _standard_ranks(kernels_s), _standard_ranks(kernels_r)
    # Shapes are equal and ranks standardised: a scalar product is the correlation.
    correlations = np.where(ranks_r.any(axis=1), ranks_s @ ranks_r.T, -np.inf)
    filters = np.flatnonzero(ranks_s.any(axis=1) & (correlations > -np.inf).any(axis=1))
    matches = correlations[filters].argmax(axis=1)
    tv_s, tv_r = _filter_tv(kernels_s), _filter_tv(kernels_r)
    return pd.DataFrame(
        {
            "filter": filters,
            "match": matches,
            "spearman": correlations[filters, matches].clip(-1.0, 1.0),
            "tv_difference": tv_s[filters] - tv_r[matches],
        }
    )


def _standard_ranks(
    kernels: Float[Tensor, "filter in row column"],
) -> Float64[np.ndarray, "filter weight"]:
    """Ranks of each filter's weights, centred and of unit length; zero for a constant filter."""
    ranks = rankdata(kernels.detach().cpu().numpy().reshape(len(kernels), -1), axis=1)
    ranks -= ranks.mean(axis=1, keepdims=True)
    lengths = np.linalg.norm(ranks, axis=1, keepdims=True)
    return np.divide(ranks, lengths, out=np.zeros_like(ranks), where=lengths > 0)


def _filter_tv(kernels: Float[Tensor, "filter in row column"]) -> Float64[np.ndarray, " filter"]:
    return total_variation(kernels.detach().double().cpu()).mean(dim=1).numpy()


def first_kernels(model: Classifier) -> Float[Tensor, "filter in row column"]:
    """Weights of the network's first convolution, detached."""
    for module in model.network.modules():
        if isinstance(module, nn.Conv2d):
            return module.weight.detach()
    raise ShapebiasError(f"{model!r} has no convolution, so no kernels to match")
