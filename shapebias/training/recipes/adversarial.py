"""Training on adversarial images only."""

from typing import Annotated

import torch
from torch import nn

from shapebias.plugins import plugin
from shapebias.ranges import Range
from shapebias.training.recipes._base import AdversarialRecipe, Images, Labels, Loss


@plugin
class Adversarial(AdversarialRecipe):
    """Cross-entropy on images that an attack makes from each batch, against the current weights.

    Parameters
    ----------
    attack
        Attack that makes the adversarial images. A study gives its name under `attacks`.
    warmup
        Fraction of the training, from its start, during which the perturbation is scaled: from 0
        to its full size, with the square of time. Without it small networks stay at chance for
        long.
    label_smoothing
        Share of each label that is spread over all classes; the attack maximises the plain
        cross-entropy.

    References
    ----------
    .. [1] Madry et al. (2018). Towards deep learning models resistant to adversarial attacks.
       ICLR. :DOI:`10.48550/arXiv.1706.06083`
    """

    warmup: Annotated[float, Range(ge=0, le=1)] = 0.0

    def loss(
        self,
        model: nn.Module,
        images: Images,
        labels: Labels,
        *,
        progress: float,
        generator: torch.Generator,
    ) -> tuple[Loss, int]:
        """Compute the loss of the attacked batch, as `Recipe.loss` describes."""
        strength = min(1.0, progress / self.warmup) ** 2 if self.warmup else 1.0
        attacked = self.attacked(model, images, labels, generator=generator)
        return self.score(model(torch.lerp(images, attacked, strength)), labels)
