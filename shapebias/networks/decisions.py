"""Decisions of a network among its own classes or among a few entry-level classes."""

from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Float, Float64, Int64
from torch import Tensor

from shapebias.errors import UnknownName


class EntryLevel:
    """Classes among which a network decides: entry-level classes, or its own without a table.

    Parameters
    ----------
    classes
        Names of the network's classes, in the order of its scores.
    table
        Name of a fine class to the name of its entry-level class. Fine classes that are not in
        the table belong to no entry-level class. None: the network's own classes decide.

    Attributes
    ----------
    classes
        Entry-level classes in alphabetical order; the network's own without a table.
    is_identity
        Whether the network's own classes decide.

    Raises
    ------
    UnknownName
        If the table has a fine class that the network does not have.

    References
    ----------
    .. [1] Geirhos et al. (2019). ImageNet-trained CNNs are biased towards texture. ICLR.
       :DOI:`10.48550/arXiv.1811.12231`

    Examples
    --------
    >>> animals = EntryLevel(["tabby", "beagle", "pug"], {"tabby": "cat", "beagle": "dog"})
    >>> animals.classes
    ['cat', 'dog']
    >>> animals.decide(torch.tensor([[1.0, 2.0, 3.0]])).tolist()
    [1]
    """

    def __init__(self, classes: Sequence[str], table: Mapping[str, str] | None = None):
        self.classes = list(classes) if table is None else sorted(set(table.values()))
        self.is_identity = table is None
        index = {name: number for number, name in enumerate(classes)}
        for fine in table or ():
            if fine not in index:
                raise UnknownName("class of the network under an entry-level class", fine, classes)
        entry = {name: number for number, name in enumerate(self.classes)}
        members = sorted((index[fine], entry[name]) for fine, name in (table or {}).items())
        self._fine, self._entry = torch.tensor(members, dtype=torch.long).view(-1, 2).unbind(dim=1)

    def probabilities(
        self, scores: Float[Tensor, "image class"]
    ) -> Float64[Tensor, "image decided"]:
        """Average the softmax probabilities over the fine classes of each entry-level class.

        Parameters
        ----------
        scores
            Class scores before the softmax.
        """
        # The softmax is in float32, as predictions store it. The mean is in float64, so that
        # neither the batch nor the number of threads decides a near tie.
        probabilities = scores.float().softmax(dim=1).double()
        if self.is_identity:
            return probabilities
        # On the CPU members are added in the order of the network's classes, and the sum is divided
        # once: members with equal probabilities give exactly equal means.
        members = probabilities.cpu()[:, self._fine]
        sums = members.new_zeros(len(scores), len(self.classes))
        means = sums.index_add_(1, self._entry, members) / self._entry.bincount()
        return means.to(scores.device)

    def decide(self, scores: Float[Tensor, "image class"]) -> Int64[Tensor, " image"]:
        """Index in `classes` of the likeliest class of each image; the first of exact ties.

        Parameters
        ----------
        scores
            Class scores before the softmax. Without a table they are compared themselves, because
            probabilities that round to 0 or 1 tie.
        """
        return (scores if self.is_identity else self.probabilities(scores)).argmax(dim=1)
