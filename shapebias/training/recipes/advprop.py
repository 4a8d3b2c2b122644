"""Training on clean and on adversarial images, each with batch norms of its own."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from shapebias.networks.auxiliary_batch_norm import add_auxiliary_norms, auxiliary_norms
from shapebias.networks.fold import fold
from shapebias.ranges import Range
from shapebias.training.recipes._base import Recipe


def build(
    *,
    attack: Callable[..., Tensor],
    norm: Literal["main", "auxiliary"] = "main",
    label_smoothing: Annotated[float, Range(ge=0, lt=1)] = 0.0,
) -> "AdvProp":
    """Cross-entropy on a batch as it is, plus that on its adversarial twin.

    The clean images pass the main batch norms, the adversarial ones auxiliary norms beside them;
    all other weights are shared. The attack works against the network with its auxiliary norms.

    Parameters
    ----------
    attack
        As a plug-in in `attacks` builds it.
    norm
        "main" or "auxiliary": the batch norms with which the network is measured, while it trains
        and afterwards. The saved weights hold both.
    label_smoothing
        Share of each label that is spread over all classes; the attack knows nothing of it.

    Notes
    -----
    The logged loss is the sum of both halves' and so starts at twice that of guessing; the logged
    accuracy is that on the clean half.

    References
    ----------
    .. [1] Xie et al. (2020). Adversarial examples improve image recognition. CVPR.
       :DOI:`10.1109/CVPR42600.2020.00090`
    """
    return AdvProp(attack=attack, norm=norm, label_smoothing=label_smoothing)


@dataclass(frozen=True, kw_only=True)
class AdvProp(Recipe):
    """The recipe that `build` describes."""

    attack: Callable[..., Tensor]
    norm: str
    label_smoothing: float

    def prepare(self, model: nn.Module) -> None:
        """Give the network its auxiliary norms."""
        add_auxiliary_norms(model)

    def loss(
        self,
        model: nn.Module,
        images: Float[Tensor, "image 3 row column"],
        labels: Int[Tensor, " image"],
        *,
        done: float,
        generator: torch.Generator,
    ) -> tuple[Float[Tensor, ""], int]:
        """Sum of both halves' mean cross-entropies, and the clean images labelled right."""
        with auxiliary_norms(model):
            attacked = self.attack(fold(model), images, labels, generator=generator)
            other = cross_entropy(model(attacked), labels, label_smoothing=self.label_smoothing)
        scores = model(images)
        loss = cross_entropy(scores, labels, label_smoothing=self.label_smoothing) + other
        return loss, int((scores.argmax(dim=1) == labels).sum())

    def measuring(self, model: nn.Module) -> AbstractContextManager[None]:
        """The norms that `norm` names."""
        return auxiliary_norms(model) if self.norm == "auxiliary" else nullcontext()
