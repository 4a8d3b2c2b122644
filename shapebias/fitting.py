"""The one training loop, for every network and recipe."""

import math
import time
from collections.abc import Callable
from typing import Any, Protocol

import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor, nn

from shapebias.errors import ShapebiasError, UnknownName

Images = UInt8[Tensor, "image 3 row column"]
Labels = Int[Tensor, " image"]


class Recipe(Protocol):
    """What a plug-in in `training` builds: the loss of one batch."""

    def loss(
        self,
        model: nn.Module,
        images: Float[Tensor, "image 3 row column"],
        labels: Labels,
        *,
        done: float,
        generator: torch.Generator,
    ) -> tuple[Float[Tensor, ""], int]:
        """Mean loss, with its graph, and the number of images that were labelled right.

        `done` is the share of the training that lies behind.
        """
        ...


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
    validation: tuple[Images, Labels] | None = None,
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
        Name in `SCHEDULES`.
    seed
        Of the order of the images, of dropout, and of what the recipe draws.
    validation
        Images and labels, measured after every epoch.
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
        If the loss is no longer a finite number, or there is less than one batch of images.
    """
    if len(images) < batch:
        raise ShapebiasError(f"{len(images)} training images are fewer than one batch of {batch}")
    share_of = share_by_schedule(schedule)
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
    history = []
    with torch.random.fork_rng():
        # Dropout draws from the global generator.
        torch.manual_seed(seed)
        for epoch in range(1, epochs + 1):
            dones = [(epoch - 1 + step / per_epoch) / epochs for step in range(per_epoch)]
            plan = [(done, learning_rate * share_of(done)) for done in dones]
            entry = {"epoch": epoch}
            entry |= run_epoch(model, images, labels, recipe, optimizer, plan, batch, generator)
            if not math.isfinite(entry["loss"]):
                raise ShapebiasError(f"training: the loss is {entry['loss']} in epoch {epoch}")
            if validation is not None:
                entry["validation_accuracy"] = accuracy(model, *validation)
            history.append(entry)
            if progress is not None:
                progress(entry)
    return history


def run_epoch(
    model: nn.Module,
    images: Images,
    labels: Labels,
    recipe: Recipe,
    optimizer: torch.optim.Optimizer,
    plan: list[tuple[float, float]],
    batch: int,
    generator: torch.Generator,
) -> dict[str, Any]:
    """One step for each entry of the plan (share done, learning rate), on shuffled images."""
    model.train()
    total, right, start = 0.0, 0, time.perf_counter()
    order = torch.randperm(len(images), generator=generator, device=images.device)
    # The last images of the order may be too few for a batch, and then have no entry in the plan.
    for (done, rate), chosen in zip(plan, order.split(batch), strict=False):
        for group in optimizer.param_groups:
            group["lr"] = rate
        loss, n_correct = recipe.loss(
            model, as_floats(images[chosen]), labels[chosen], done=done, generator=generator
        )
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total, right = total + loss.item(), right + n_correct
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


def share_by_schedule(schedule: str) -> Callable[[float], float]:
    """Share of the highest learning rate, as a function of the share of steps that are done."""
    if schedule not in SCHEDULES:
        raise UnknownName("schedule", schedule, SCHEDULES)
    return SCHEDULES[schedule]


def cosine(done: float) -> float:
    """Half a cosine, from 1 to 0."""
    return (1 + math.cos(math.pi * done)) / 2


def steps(done: float) -> float:
    """A tenth after each third, as in 90 epochs with one every 30."""
    return 0.1 ** int(3 * done)


def onecycle(done: float) -> float:
    """Straight up from a twentieth in the first fifth, then half a cosine down to 0."""
    rise = 0.2
    return 0.05 + 0.95 * done / rise if done < rise else cosine((done - rise) / (1 - rise))


SCHEDULES = {"cosine": cosine, "steps": steps, "onecycle": onecycle}
