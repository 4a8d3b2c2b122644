"""From the fine classes that a network knows to the few entry-level ones that people name."""

from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Float, Float64, Int64
from torch import Tensor

from shapebias.errors import UnknownName


def decide(
    scores: Float[Tensor, "image class"],
    weights: Float64[Tensor, "class entry"] | None,
) -> Int64[Tensor, " image"]:
    """Decision on each image: an index into the entry-level classes, or the network's own.

    Parameters
    ----------
    scores
        Class scores before the softmax.
    weights
        What `entry_weights` gives; None where the network's own classes decide.

    Returns
    -------
    Index of the highest; the first of those that tie.
    """
    return (scores if weights is None else entry_probabilities(scores, weights)).argmax(dim=1)


def entry_weights(
    classes: Sequence[str], entry_level: Mapping[str, str]
) -> tuple[list[str], Float64[Tensor, "class entry"]]:
    """Entry-level classes in alphabetical order, and the weight of each fine class in their mean.

    Parameters
    ----------
    classes
        Names of the network's classes, in the order of its scores.
    entry_level
        Name of a fine class to the name of its entry-level class. Fine classes that it does not
        name belong to none.

    Raises
    ------
    UnknownName
        If it names a fine class that the network does not have.
    """
    index = {name: number for number, name in enumerate(classes)}
    names = sorted(set(entry_level.values()))
    members = torch.zeros(len(index), len(names), dtype=torch.float64)
    for fine, entry in entry_level.items():
        if fine not in index:
            raise UnknownName("class of the network under an entry-level class", fine, classes)
        members[index[fine], names.index(entry)] = 1.0
    return names, members / members.sum(dim=0)


def entry_probabilities(
    scores: Float[Tensor, "image class"], weights: Float64[Tensor, "class entry"]
) -> Float64[Tensor, "image entry"]:
    """Mean of the softmax probabilities over the fine classes of each entry-level class.

    References
    ----------
    .. [1] Geirhos et al. (2019). ImageNet-trained CNNs are biased towards texture. ICLR.
       :DOI:`10.48550/arXiv.1811.12231`
    """
    # The softmax in float32, as predictions hold it; the mean in float64, so that neither the
    # batch nor the number of threads decides a near tie.
    return scores.float().softmax(dim=1).double() @ weights.to(scores.device)
