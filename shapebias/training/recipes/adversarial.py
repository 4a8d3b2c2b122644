"""Training on adversarial images alone."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from shapebias.networks.fold import fold
from shapebias.ranges import Range
from shapebias.training.recipes._base import Recipe


def build(
    *,
    attack: Callable[..., Tensor],
    warmup: Annotated[float, Range(ge=0, le=1)] = 0.0,
    label_smoothing: Annotated[float, Range(ge=0, lt=1)] = 0.0,
) -> "Adversarial":
    """Cross-entropy on images that an attack makes from each batch, against the current weights.

    Parameters
    ----------
    attack
        As a plug-in in `attacks` builds it.
    warmup
        Share of the training in which the attack's change of the images grows from none to all of
        it, as the square of the time. Without it small networks stay at chance for long.
    label_smoothing
        Share of each label that is spread over all classes; the attack knows nothing of it.

    References
    ----------
    .. [1] Madry et al. (2018). Towards deep learning models resistant to adversarial attacks.
       ICLR. :DOI:`10.48550/arXiv.1706.06083`
    """
    return Adversarial(attack=attack, warmup=warmup, label_smoothing=label_smoothing)


@dataclass(frozen=True, kw_only=True)
class Adversarial(Recipe):
    """The recipe that `build` describes."""

    attack: Callable[..., Tensor]
    warmup: float
    label_smoothing: float

    def loss(
        self,
        model: nn.Module,
        images: Float[Tensor, "image 3 row column"],
        labels: Int[Tensor, " image"],
        *,
        done: float,
        generator: torch.Generator,
    ) -> tuple[Float[Tensor, ""], int]:
        """Mean cross-entropy of the attacked batch, and the number of its images labelled right."""
        strength = min(1.0, done / self.warmup) ** 2 if self.warmup else 1.0
        attacked = self.attack(fold(model), images, labels, generator=generator)
        scores = model(torch.lerp(images, attacked, strength))
        loss = cross_entropy(scores, labels, label_smoothing=self.label_smoothing)
        return loss, int((scores.argmax(dim=1) == labels).sum())
