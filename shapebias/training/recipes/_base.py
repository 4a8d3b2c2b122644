"""What the training loop asks of a recipe, with the answers that most recipes share."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from shapebias.networks.fold import fold


class Recipe:
    """What a plug-in in `training` builds: the loss of one batch, and what else it may decide.

    Attributes
    ----------
    needs_validation
        Whether the training must have validation images.
    attack
        Attack on whose examples it trains, as a plug-in in `attacks` builds it; None without one.
    """

    needs_validation = False
    attack: Callable[..., Tensor] | None = None

    def prepare(self, model: nn.Module) -> None:
        """Give a network, before the first step, what the recipe trains besides its weights."""

    def loss(
        self,
        model: nn.Module,
        images: Float[Tensor, "image 3 row column"],
        labels: Int[Tensor, " image"],
        *,
        done: float,
        generator: torch.Generator,
    ) -> tuple[Float[Tensor, ""], int]:
        """Mean loss, with its graph, and the number of images that were labelled right.

        `done` is the share of the training that lies behind.
        """
        raise NotImplementedError

    def seeded_attack(self, seed: int, device: torch.device) -> Callable[..., Tensor]:
        """The attack on a network that is measured, drawing from a generator of its own."""
        generator = torch.Generator(device).manual_seed(seed)

        def attacked(model: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
            return self.attack(fold(model), images, labels, generator=generator)

        return attacked

    def measuring(self, model: nn.Module) -> AbstractContextManager[None]:
        """Context in which the network is measured while it trains."""
        return nullcontext()

    def finished(self, entry: dict[str, Any]) -> bool:
        """Whether the training ends before its time, after the epoch of an entry."""
        return False

    def conclude(self, history: list[dict[str, Any]]) -> None:
        """Raise `ShapebiasError` unless the training came to what the recipe promises."""
