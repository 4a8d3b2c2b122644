"""What a network decides, the same in whatever batches its scores were computed."""

from collections.abc import Callable, Mapping

import torch
from jaxtyping import Bool, Float, Float64, Int64
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from shapebias.networks.classifier import Classifier
from shapebias.networks.decisions import decide, entry_probabilities, entry_weights

# Largest error of a score that is told apart from a tie, as a share of the largest score.
ROUNDING = 1e-4


class StableDecisions:
    """Decisions and probabilities among a network's own classes, or entry-level ones.

    Parameters
    ----------
    model
        Network whose scores are judged.
    entry_level
        Fine class to entry-level class, if the decision is among entry-level classes.

    Notes
    -----
    In float32 the same image gets scores that differ by some 1e-6 of the largest with the images
    that stand in its batch. Where that could turn a decision, the whole network is run again on
    that image alone; so decisions are those of the network on one image at a time.
    """

    def __init__(self, model: Classifier, entry_level: Mapping[str, str] | None = None):
        self._model = model
        self.classes, self._weights = list(model.classes), None
        if entry_level is not None:
            self.classes, self._weights = entry_weights(model.classes, entry_level)

    def judge(
        self,
        scores: Float[Tensor, "image class"],
        alone: Callable[[int], Float[Tensor, "1 class"]],
    ) -> tuple[Int64[Tensor, " image"], Float64[Tensor, "image decided"]]:
        """Decision on each image and the probability of every class that can be decided for.

        Parameters
        ----------
        scores
            Class scores before the softmax; overwritten where they are nearly tied.
        alone
            Gives the scores of one image by its place, from the whole network and no batch.
        """
        for place in nearly_tied(scores, self._weights).nonzero().flatten().tolist():
            scores[place] = alone(place)[0]
        return decide(scores, self._weights).cpu(), probabilities(scores, self._weights).cpu()

    def intact(
        self, images: Float[Tensor, "image 3 row column"], batch: int
    ) -> tuple[Int64[Tensor, " image"], Float64[Tensor, "image decided"]]:
        """Decisions and probabilities of the network as it is, `batch` images at a time."""
        found = [(torch.empty(0).long(), torch.empty(0, len(self.classes)).double())]
        found += [self._intact(part) for part in images.split(batch)]
        decisions, values = zip(*found, strict=True)
        return torch.cat(decisions), torch.cat(values)

    def _intact(self, images: Tensor) -> tuple[Tensor, Tensor]:
        images = images.to(self._model.mean.device, torch.float32)
        return self.judge(self._model(images), lambda place: self._model(images[place : place + 1]))


def shareable(model: nn.Module, batch: int) -> int:
    """Number of images of a batch: one where they would change each other's scores.

    A batch norm that keeps no statistics takes those of the batch, in eval mode too.
    """
    norms = (module for module in model.modules() if isinstance(module, _BatchNorm))
    return 1 if any(norm.running_mean is None for norm in norms) else batch


def probabilities(
    scores: Float[Tensor, "image class"], weights: Float64[Tensor, "class entry"] | None
) -> Float64[Tensor, "image decided"]:
    """Softmax of the scores, in float32; of entry-level classes the mean over theirs."""
    if weights is None:
        return scores.float().softmax(dim=1).double()
    return entry_probabilities(scores, weights)


def nearly_tied(
    scores: Float[Tensor, "image class"],
    weights: Float64[Tensor, "class entry"] | None,
) -> Bool[Tensor, " image"]:
    """Images whose decision the rounding of float32 could change.

    Scores that are computed in another order, or with batch norms folded into convolutions, were
    seen to differ by 3e-6 of the largest at most, on trained networks of four architectures; a
    decision is safe where the highest is ahead by thirty times that.
    """
    ranked, scale = scores, scores.abs().amax(dim=1)
    if weights is not None:
        # An error in the scores is one in the logarithm of the probabilities, at most doubled.
        ranked = entry_probabilities(scores, weights).log() / 2
        # However small the scores, the softmax rounds.
        scale = scale.clamp(min=1.0)
    if ranked.shape[1] < 2:
        return torch.zeros(len(ranked), dtype=torch.bool, device=ranked.device)
    first, second = ranked.topk(2, dim=1).values.unbind(dim=1)
    # Written so that what is not a number, as where both probabilities are zero, is not safe.
    return ~(first - second > ROUNDING * scale)
