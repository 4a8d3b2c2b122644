"""First-layer filters of a standard network matched to those of a robust one."""

import numpy as np
import pandas as pd
from jaxtyping import Float, Float64
from scipy.stats import rankdata
from torch import Tensor

from shapebias.errors import ShapebiasError
from shapebias.smoothness.total_variation import total_variation


def filter_matches(
    kernels_s: Float[Tensor, "filter in row column"],
    kernels_r: Float[Tensor, "match _ _ _"],
) -> pd.DataFrame:
    """Match each filter of S to the filter of R with which it correlates most.

    Parameters
    ----------
    kernels_s, kernels_r
        Weights of the first convolutions of the standard and the robust network, with kernels of
        the same shape.

    Returns
    -------
    Frame with filter (of S); match (of R; the first if several tie); spearman (rank correlation of
    the two flattened kernels; tied weights have their average rank); and tv_difference (kernel TV
    of the filter minus that of its match; positive where R is smoother). Constant kernels have no
    rank correlation: those of S have no row, those of R are never a match.

    Raises
    ------
    ShapebiasError
        If the kernels differ in shape.
    """
    if kernels_s.shape[1:] != kernels_r.shape[1:]:
        shapes = f"{tuple(kernels_s.shape[1:])} and {tuple(kernels_r.shape[1:])}"
        raise ShapebiasError(
            f"filters of different shapes cannot be matched: {shapes}; remove the pair from "
            "filter matching"
        )
    ranks_s, ranks_r = _standard_ranks(kernels_s), _standard_ranks(kernels_r)
    # The scalar product of standardised ranks is the correlation.
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
    """Rank each filter's weights, centred and of unit length; zero for a constant filter."""
    ranks = rankdata(kernels.detach().cpu().numpy().reshape(len(kernels), -1), axis=1)
    ranks -= ranks.mean(axis=1, keepdims=True)
    lengths = np.linalg.norm(ranks, axis=1, keepdims=True)
    return np.divide(ranks, lengths, out=np.zeros_like(ranks), where=lengths > 0)


def _filter_tv(kernels: Float[Tensor, "filter in row column"]) -> Float64[np.ndarray, " filter"]:
    return total_variation(kernels.detach().double().cpu()).mean(dim=1).numpy()
