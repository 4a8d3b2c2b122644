"""One step of stochastic gradient descent."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from jaxtyping import Int, UInt8
from torch import Tensor, nn

from shapebias.errors import ShapebiasError
from shapebias.training.augmentation import augmentation_by_name
from shapebias.training.fabric import Fabric, average_gradients
from shapebias.training.recipes._base import Recipe
from shapebias.training.settings import TrainingSettings
from shapebias.training.validation import as_floats


@dataclass
class TrainingStep:
    """Callable that changes a network's weights once; it owns the optimizer.

    Parameters
    ----------
    model, recipe, settings, fabric
        As for `shapebias.training.loop.Trainer`.
    generator
        Source of the draws of augmentation and recipe.
    """

    model: nn.Module
    recipe: Recipe
    settings: TrainingSettings
    fabric: Fabric
    generator: torch.Generator

    def __post_init__(self):
        self.optimizer = torch.optim.SGD(
            _trainable_parameters(self.model, self.settings.trainable),
            lr=self.settings.learning_rate,
            momentum=self.settings.momentum,
            weight_decay=self.settings.weight_decay,
            nesterov=self.settings.nesterov and self.settings.momentum > 0,
            # One pass over the weights instead of four.
            fused=True,
        )

    def __call__(
        self,
        images: UInt8[Tensor, "image 3 row column"],
        labels: Int[Tensor, " image"],
        progress: float,
    ) -> tuple[float, int]:
        """Take a step; return the loss and the number of correctly classified images."""
        for group in self.optimizer.param_groups:
            group["lr"] = self.settings.learning_rate_at(progress)
        augmented = augmentation_by_name(self.settings.augmentation)(images, self.generator)
        pixels = as_floats(augmented, channels_last=self.settings.channels_last)
        with self.fabric.autocast(), _batch_norm_errors():
            loss, correct = self.recipe.loss(
                self.model, pixels, labels, progress=progress, generator=self.generator
            )
        self.optimizer.zero_grad()
        loss.backward()
        average_gradients(self.fabric, self.optimizer.param_groups[0]["params"])
        self.optimizer.step()
        return loss.item(), correct


def _trainable_parameters(model: nn.Module, trainable: str) -> list[nn.Parameter]:
    """Return the parameters to train, and freeze all others."""
    if trainable == "all":
        return list(model.parameters())
    linear = [module for module in model.modules() if isinstance(module, nn.Linear)]
    if not linear:
        raise ShapebiasError("`trainable: last_layer` needs a network with a linear layer")
    model.requires_grad_(False)
    return list(linear[-1].requires_grad_().parameters())


@contextmanager
def _batch_norm_errors() -> Iterator[None]:
    """Raise `ShapebiasError` where a batch norm gets a single value per channel."""
    try:
        yield
    except ValueError as error:
        if "more than 1 value per channel" not in str(error):
            raise
        raise ShapebiasError(
            f"a batch norm gets one value per channel from all images of a step ({error}): train "
            "with a larger `batch`, on larger images, or on fewer `devices`"
        ) from error
