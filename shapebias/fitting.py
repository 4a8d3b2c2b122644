"""The one training loop, for every network and recipe."""

import math
import time
from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor, nn

from shapebias.augmenting import Augmentation, augmentation_by_name
from shapebias.errors import ShapebiasError
from shapebias.recipes import Recipe
from shapebias.schedules import share_by_schedule
from shapebias.training_state import TrainingState, all_finite

Images = UInt8[Tensor, "image 3 row column"]
Labels = Int[Tensor, " image"]


# Times the loss of guessing at which a training has left the rails for good.
DIVERGED = 100


def fit(
    model: nn.Module,
    images: Images,
    labels: Labels,
    *,
    recipe: Recipe,
    epochs: int,
    batch: int,
    learning_rate: float,
    momentum: float,
    weight_decay: float,
    schedule: str,
    seed: int,
    augmentation: str = "none",
    validation: tuple[Images, Labels] | None = None,
    state: TrainingState | None = None,
    progress: Callable[[dict[str, Any]], None] | None = None,
) -> list[dict[str, Any]]:
    """Train a network in place by stochastic gradient descent with Nesterov's momentum.

    The result depends bit for bit on the arguments, on the model's weights and on the number of
    threads alone; torch's global generators are left as they were.

    Parameters
    ----------
    model
        From images in [0, 1] to class scores.
    images
        sRGB pixels, 0 to 255.
    labels
        Class index, one an image.
    recipe
        What is minimised.
    epochs
        Times that the images are gone through.
    batch
        Images a step. The images left over when an epoch is divided into batches wait for the
        next epoch, which shuffles anew.
    learning_rate
        The highest one of the schedule.
    momentum, weight_decay
        Of the optimizer; every parameter decays.
    schedule
        Name in `shapebias.schedules`.
    seed
        Of the order of the images, of dropout, and of what augmentation and recipe draw.
    augmentation
        Name in `shapebias.augmenting`.
    validation
        Images and labels, measured after every epoch.
    state
        Where the training is saved and, if it was killed, taken up again: it then ends with the
        same weights, bit for bit on a processor, as one that was not.
    progress
        Called with each epoch's entry as soon as it is there.

    Returns
    -------
    One entry an epoch, from 1: epoch, loss and accuracy (means over the epoch's images, as the
    recipe saw them), validation_accuracy (none without `validation`), learning_rate (that of the
    last step) and images_per_second (for logs: it is never the same twice).

    Raises
    ------
    ShapebiasError
        If the loss is no longer a finite number, or far above that of guessing; if there is less
        than one batch of images; or if the recipe does not come to what it promises.
    """
    if len(images) < batch:
        raise ShapebiasError(f"{len(images)} training images are fewer than one batch of {batch}")
    if recipe.needs_validation and validation is None:
        raise ShapebiasError(f"{recipe} needs validation images: give `validation`")
    share_of, augment = share_by_schedule(schedule), augmentation_by_name(augmentation)
    recipe.prepare(model)
    # Faster by a quarter to a half on processors; the numbers are the same in any layout of memory.
    model.to(memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(
        model.parameters(),
        lr=learning_rate,
        momentum=momentum,
        weight_decay=weight_decay,
        nesterov=momentum > 0,
    )
    generator = torch.Generator(images.device).manual_seed(seed)
    per_epoch = len(images) // batch
    with torch.random.fork_rng():
        # Dropout draws from the global generator.
        torch.manual_seed(seed)
        history = state.restore(model, optimizer, generator) if state else []
        for epoch in range(len(history) + 1, epochs + 1):
            if history and recipe.finished(history[-1]):
                break
            dones = [(epoch - 1 + step / per_epoch) / epochs for step in range(per_epoch)]
            plan = [(done, learning_rate * share_of(done)) for done in dones]
            entry = {"epoch": epoch}
            entry |= run_epoch(
                model, images, labels, recipe, optimizer, plan, batch, generator, augment
            )
            check_course(model, entry, int(labels.max()) + 1, state)
            if validation is not None:
                with recipe.measuring(model):
                    entry["validation_accuracy"] = accuracy(model, *validation)
            history.append(entry)
            if state and (epoch % state.every == 0 or epoch == epochs):
                state.save(model, optimizer, generator, history)
            if progress is not None:
                progress(entry)
    recipe.conclude(history)
    return history


def check_course(
    model: nn.Module, entry: dict[str, Any], n_classes: int, state: TrainingState | None
) -> None:
    """Raise `ShapebiasError` if an epoch has led nowhere from which there is a way back."""
    loss, guessing = entry["loss"], math.log(max(n_classes, 2))
    if loss < DIVERGED * guessing and all_finite(model):
        return
    reason = (
        f"the loss is {loss:.4g} where guessing has {guessing:.3g}"
        if math.isfinite(loss) and loss >= DIVERGED * guessing
        else "the loss or the weights are no longer finite numbers"
    )
    kept = f"; the state before it is kept in {state.path}" if state and state.path.exists() else ""
    raise ShapebiasError(
        f"training diverged in epoch {entry['epoch']}: {reason}; lower `learning_rate`, begin it "
        f"gently (`schedule: onecycle`), or let an attack grow (`warmup`){kept}"
    )


def run_epoch(
    model: nn.Module,
    images: Images,
    labels: Labels,
    recipe: Recipe,
    optimizer: torch.optim.Optimizer,
    plan: list[tuple[float, float]],
    batch: int,
    generator: torch.Generator,
    augment: Augmentation,
) -> dict[str, Any]:
    """One step for each entry of the plan (share done, learning rate), on shuffled images."""
    model.train()
    total, right, start = 0.0, 0, time.perf_counter()
    order = torch.randperm(len(images), generator=generator, device=images.device)
    # The last images of the order may be too few for a batch, and then have no entry in the plan.
    for (done, rate), chosen in zip(plan, order.split(batch), strict=False):
        for group in optimizer.param_groups:
            group["lr"] = rate
        pixels = as_floats(augment(images[chosen], generator))
        loss, n_correct = recipe.loss(model, pixels, labels[chosen], done=done, generator=generator)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total, right = total + loss.item(), right + n_correct
        if not math.isfinite(total):
            # What follows is lost as well.
            break
    seen = len(plan) * batch
    return {
        "loss": total / len(plan),
        "accuracy": right / seen,
        "validation_accuracy": None,
        "learning_rate": plan[-1][1],
        "images_per_second": seen / (time.perf_counter() - start),
    }


def accuracy(
    model: nn.Module,
    images: Images,
    labels: Labels,
    *,
    attack: Callable[..., Tensor] | None = None,
    batch: int = 256,
) -> float:
    """Share of images that the network, in eval mode, labels right; under attack, if one is given.

    The model's mode is left as it was.
    """
    right, training = 0, model.training
    model.eval()
    for some, truth in zip(images.split(batch), labels.split(batch), strict=True):
        pixels = as_floats(some)
        if attack is not None:
            pixels = attack(model, pixels, truth)
        with torch.no_grad():
            right += int((model(pixels).argmax(dim=1) == truth).sum())
    model.train(training)
    return right / len(images)


def as_floats(images: Images) -> Float[Tensor, "image 3 row column"]:
    """Pixels in [0, 1], channels last in memory."""
    return images.float().div_(255).contiguous(memory_format=torch.channels_last)
