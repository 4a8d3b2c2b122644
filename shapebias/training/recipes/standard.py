"""Training on the images as they are."""

from dataclasses import dataclass
from typing import Annotated

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from shapebias.ranges import Range
from shapebias.training.recipes._base import Recipe


def build(*, label_smoothing: Annotated[float, Range(ge=0, lt=1)] = 0.0) -> "Standard":
    """Cross-entropy on clean images.

    Parameters
    ----------
    label_smoothing
        Share of each label that is spread over all classes.
    """
    return Standard(label_smoothing=label_smoothing)


@dataclass(frozen=True, kw_only=True)
class Standard(Recipe):
    """The recipe that `build` describes."""

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
        """Mean cross-entropy of a batch, and the number of images labelled right."""
        scores = model(images)
        loss = cross_entropy(scores, labels, label_smoothing=self.label_smoothing)
        return loss, int((scores.argmax(dim=1) == labels).sum())
