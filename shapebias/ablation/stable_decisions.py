"""Decisions that do not depend on the batch: near ties are recomputed one image at a time."""

from collections.abc import Callable, Mapping

import torch
from jaxtyping import Bool, Float, Float64, Int64
from torch import Tensor, nn

from shapebias.networks.classifier import Classifier
from shapebias.networks.decisions import EntryLevel

# Score differences up to this fraction of the largest score count as a tie.
ROUNDING = 1e-4

BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)

Decisions = tuple[Int64[Tensor, " image"], Float64[Tensor, "image decided"]]


class StableDecisions:
    """Decisions and probabilities among a network's own classes or entry-level classes.

    Parameters
    ----------
    model
        Network that computes the scores.
    entry_level
        Fine class to entry-level class, if the decision is among entry-level classes.

    Notes
    -----
    In float32 the scores of an image differ by about 1e-6 of the largest score, depending on the
    other images in its batch. Where this could change a decision, the whole network is run again on
    that image alone. The decisions are therefore those of the network on one image at a time.
    """

    def __init__(self, model: Classifier, entry_level: Mapping[str, str] | None = None):
        self._model = model
        self._level = EntryLevel(model.classes, entry_level)
        self.classes = self._level.classes

    def decide(
        self,
        scores: Float[Tensor, "image class"],
        rerun_single: Callable[[int], Float[Tensor, "1 class"]],
    ) -> Decisions:
        """Decide for a class on each image, and compute the probability of every class.

        Parameters
        ----------
        scores
            Class scores before the softmax. Rows that are nearly tied are overwritten.
        rerun_single
            Returns the scores of the image with this index, from the whole network with a batch of
            one.

        Returns
        -------
        Indices in `classes`, and probabilities in the order of `classes`; both on the CPU.
        """
        for index in nearly_tied(scores, self._level).nonzero().flatten().tolist():
            scores[index] = rerun_single(index)[0]
        return self._level.decide(scores).cpu(), self._level.probabilities(scores).cpu()

    def decide_images(self, images: Float[Tensor, "image 3 row column"], batch: int) -> Decisions:
        """Decide on images with the network as it is, `batch` images at a time."""
        if not len(images):
            return torch.empty(0).long(), torch.empty(0, len(self.classes)).double()
        decisions, probabilities = zip(*map(self._decide_batch, images.split(batch)), strict=True)
        return torch.cat(decisions), torch.cat(probabilities)

    def _decide_batch(self, images: Float[Tensor, "image 3 row column"]) -> Decisions:
        images = images.to(self._model.mean.device, torch.float32)
        return self.decide(
            self._model(images), lambda index: self._model(images[index : index + 1])
        )


def independent_batch(model: nn.Module, batch: int) -> int:
    """Batch size at which images do not change each other's scores: `batch`, or 1.

    A batch norm without running statistics uses those of the batch, in eval mode too.
    """
    norms = (module for module in model.modules() if isinstance(module, BATCH_NORMS))
    return 1 if any(norm.running_mean is None for norm in norms) else batch


def nearly_tied(scores: Float[Tensor, "image class"], level: EntryLevel) -> Bool[Tensor, " image"]:
    """Mark the images whose decision could change by the rounding of float32.

    Scores computed in another order, or with batch norms folded into convolutions, differed by at
    most 3e-6 of the largest score on trained networks of four architectures. A decision is safe if
    its class leads by thirty times that.
    """
    ranked, scale = scores, scores.abs().amax(dim=1)
    if not level.is_identity:
        # An error in the scores is at most doubled in the logarithm of the probabilities.
        ranked = level.probabilities(scores).log() / 2
        # The softmax rounds also where the scores are small.
        scale = scale.clamp(min=1.0)
    if ranked.shape[1] < 2:
        return torch.zeros(len(ranked), dtype=torch.bool, device=ranked.device)
    first, second = ranked.topk(2, dim=1).values.unbind(dim=1)
    # Negated so that NaN, as from two probabilities of zero, counts as a tie.
    return ~(first - second > ROUNDING * scale)
