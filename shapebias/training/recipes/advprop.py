"""AdvProp: training on clean and on adversarial images, with separate batch norms."""

from contextlib import AbstractContextManager, nullcontext
from typing import Literal

import torch
from torch import nn
from torch.nn.functional import cross_entropy

from shapebias.networks.auxiliary_batch_norm import add_auxiliary_norms, auxiliary_norms
from shapebias.plugins import plugin
from shapebias.training.recipes._base import AdversarialRecipe, Images, Labels, Loss


@plugin
class AdvProp(AdversarialRecipe):
    """Cross-entropy on a clean batch plus cross-entropy on its adversarial version.

    Clean images pass through the main batch norms, adversarial images through auxiliary ones; all
    other weights are shared. The attack runs on the network with its auxiliary norms.

    Parameters
    ----------
    attack
        Attack that makes the adversarial images. A study gives its name under `attacks`.
    norm
        "main" or "auxiliary": the batch norms with which the network is evaluated, during the
        training and afterwards. The saved weights hold both.
    label_smoothing
        Share of each label that is spread over all classes.

    Notes
    -----
    The logged loss is the sum of both losses and so starts at twice the loss of chance; the logged
    accuracy is the accuracy on the clean batches.

    References
    ----------
    .. [1] Xie et al. (2020). Adversarial examples improve image recognition. CVPR.
       :DOI:`10.1109/CVPR42600.2020.00090`
    """

    norm: Literal["main", "auxiliary"] = "main"

    def prepare(self, model: nn.Module) -> None:
        """Add auxiliary batch norms to a network."""
        add_auxiliary_norms(model)

    def loss(
        self,
        model: nn.Module,
        images: Images,
        labels: Labels,
        *,
        progress: float,
        generator: torch.Generator,
    ) -> tuple[Loss, int]:
        """Compute the sum of both losses, and count the correct clean images."""
        with auxiliary_norms(model):
            attacked = self.attacked(model, images, labels, generator=generator)
            adversarial_loss = cross_entropy(
                model(attacked), labels, label_smoothing=self.label_smoothing
            )
        clean_loss, correct = self.score(model(images), labels)
        return clean_loss + adversarial_loss, correct

    def evaluation_context(self, model: nn.Module) -> AbstractContextManager[None]:
        """Context in which the network uses the batch norms that `norm` names."""
        return auxiliary_norms(model) if self.norm == "auxiliary" else nullcontext()
