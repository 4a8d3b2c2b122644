"""Accuracy of a network while it trains."""

from collections.abc import Callable

import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor, nn

from shapebias.networks.eval_mode import eval_mode
from shapebias.training.fabric import Fabric, sum_over_devices
from shapebias.training.image_loaders import InMemoryImages, StreamedImages
from shapebias.training.recipes._base import AdversarialRecipe, Recipe

# Validation images that are attacked after an epoch, which takes as long as training on them.
MAX_ATTACKED = 256


def accuracy(
    model: nn.Module,
    images: InMemoryImages | StreamedImages,
    labels: Int[Tensor, " image"],
    *,
    attack: Callable[..., Tensor] | None = None,
    max_images: int | None = None,
    batch: int = 256,
    fabric: Fabric | None = None,
) -> float:
    """Measure the accuracy of a network in eval mode, optionally under attack.

    The network's mode is left unchanged.

    Parameters
    ----------
    labels
        Class index, one per image.
    attack
        Called with the model, images in [0, 1] and labels.
    max_images
        Largest number of images to measure on, equally spaced; None measures on all.
    batch
        Images at a time.
    fabric
        Devices that share the work.

    Returns
    -------
    Proportion of correctly classified images.
    """
    step = max(1, -(-len(images) // max_images)) if max_images else 1
    rank, world = (fabric.global_rank, fabric.world_size) if fabric else (0, 1)
    indices = torch.arange(rank * step, len(images), world * step)
    batches = indices.split(batch) if len(indices) else ()
    correct = 0
    with eval_mode(model):
        for rows, pixels in zip(batches, images.batches(batches), strict=True):
            inputs, classes = as_floats(pixels), labels[rows.to(labels.device)]
            if attack is not None:
                inputs = attack(model, inputs, classes)
            with torch.no_grad():
                correct += int((model(inputs).argmax(dim=1) == classes).sum())
    n = len(indices)
    if fabric:
        correct, n = sum_over_devices(fabric, correct, n)
    return correct / n


def validate(
    model: nn.Module,
    recipe: Recipe,
    images: InMemoryImages | StreamedImages,
    labels: Int[Tensor, " image"],
    seed: int,
    fabric: Fabric,
) -> dict[str, float]:
    """Measure the accuracies on validation images that the entry of an epoch has.

    Parameters
    ----------
    seed
        Seed of the attack of an adversarial recipe.

    Returns
    -------
    validation_accuracy and, if the recipe has an attack, adversarial_accuracy.
    """
    with recipe.evaluation_context(model):
        entry = {"validation_accuracy": accuracy(model, images, labels, fabric=fabric)}
        if isinstance(recipe, AdversarialRecipe):
            entry["adversarial_accuracy"] = accuracy(
                model,
                images,
                labels,
                attack=recipe.seeded_attack(seed, labels.device),
                max_images=MAX_ATTACKED,
                fabric=fabric,
            )
        return entry


def as_floats(
    images: UInt8[Tensor, "image 3 row column"], *, channels_last: bool = True
) -> Float[Tensor, "image 3 row column"]:
    """Convert pixels to [0, 1], channels last in memory unless `channels_last` is false."""
    layout = torch.channels_last if channels_last else torch.contiguous_format
    return images.float().div_(255).contiguous(memory_format=layout)
