"""Base class of training recipes."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from shapebias.networks.fold import fold
from shapebias.ranges import Range

Images = Float[Tensor, "image 3 row column"]
Labels = Int[Tensor, " image"]
Loss = Float[Tensor, ""]


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """What a network minimises in a step: cross-entropy on clean images unless overridden.

    Parameters
    ----------
    label_smoothing
        Share of each label that is spread over all classes.

    Attributes
    ----------
    needs_validation
        Whether the training must have validation images.
    """

    needs_validation: ClassVar[bool] = False
    label_smoothing: Annotated[float, Range(ge=0, lt=1)] = 0.0

    def prepare(self, model: nn.Module) -> None:
        """Add to a network, before the first step, what the recipe trains besides its weights."""

    def loss(
        self,
        model: nn.Module,
        images: Images,
        labels: Labels,
        *,
        progress: float,
        generator: torch.Generator,
    ) -> tuple[Loss, int]:
        """Compute the loss of one batch.

        Parameters
        ----------
        images
            sRGB pixels in [0, 1].
        labels
            Class index, one per image.
        progress
            Fraction of the training that is done, in [0, 1).
        generator
            Source of the recipe's random draws.

        Returns
        -------
        Mean loss, with its graph, and the number of correctly classified images.
        """
        return self.score(model(images), labels)

    def score(self, scores: Float[Tensor, "image class"], labels: Labels) -> tuple[Loss, int]:
        """Compute the mean cross-entropy of class scores, and the number of correct ones."""
        loss = cross_entropy(scores, labels, label_smoothing=self.label_smoothing)
        return loss, int((scores.argmax(dim=1) == labels).sum())

    def evaluation_context(self, model: nn.Module) -> AbstractContextManager[None]:
        """Context in which the network is evaluated during the training."""
        return nullcontext()

    def should_stop(self, entry: dict[str, Any]) -> bool:
        """Whether the training ends early, after the epoch of this log entry."""
        return False

    def check_outcome(self, history: list[dict[str, Any]]) -> None:
        """Raise `ShapebiasError` if the finished training missed the recipe's target."""


@dataclass(frozen=True, kw_only=True)
class AdversarialRecipe(Recipe):
    """Recipe that trains on adversarial images.

    Parameters
    ----------
    attack
        Attack that makes the adversarial images. A study gives its name under `attacks`.
    """

    attack: Callable[..., Tensor]

    def attacked(
        self, model: nn.Module, images: Images, labels: Labels, *, generator: torch.Generator
    ) -> Images:
        """Compute adversarial images on the network's folded copy."""
        return self.attack(fold(model), images, labels, generator=generator)

    def seeded_attack(self, seed: int, device: torch.device) -> Callable[..., Tensor]:
        """Return the attack as a function with its own generator, for measurements."""
        generator = torch.Generator(device).manual_seed(seed)

        def attack(model: nn.Module, images: Images, labels: Labels) -> Images:
            return self.attacked(model, images, labels, generator=generator)

        return attack
