"""The one training loop, for every network and recipe."""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor, nn

from shapebias.errors import ShapebiasError, UnknownName
from shapebias.networks.fold import compiled_folded
from shapebias.progress import ProgressCounter
from shapebias.training.augmentation import Augmentation, augmentation_by_name
from shapebias.training.divergence import (
    check_divergence,
    divergence_hints,
    has_loss_jump,
    is_at_chance,
)
from shapebias.training.fabric import (
    Fabric,
    average_gradients,
    average_statistics,
    fabric_of,
    sum_over_devices,
)
from shapebias.training.image_loaders import InMemoryImages, StreamedImages
from shapebias.training.recipes._base import Recipe
from shapebias.training.resume_state import Position, TrainingState, all_finite
from shapebias.training.schedules import lr_schedule
from shapebias.training.validation import Samples, accuracy, as_floats, as_samples

Labels = Int[Tensor, " image"]
# Validation images that are attacked after an epoch, which takes as long as training on them.
ATTACKED = 256
TRAINABLE = ("all", "last_layer")


def train(
    model: nn.Module,
    images: Samples,
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
    nesterov: bool = False,
    augmentation: str = "none",
    trainable: str = "all",
    channels_last: bool = True,
    compiled: bool = False,
    validation: tuple[Samples, Labels] | None = None,
    state: TrainingState | None = None,
    fabric: Fabric | None = None,
    progress: Callable[[dict[str, Any]], None] | None = None,
) -> list[dict[str, Any]]:
    """Train a network in place by stochastic gradient descent with momentum.

    On one processor the result depends bit for bit on the arguments, on the model's weights and on
    the number of threads alone; torch's global generators are left as they were.

    Parameters
    ----------
    model
        From images in [0, 1] to class scores.
    images
        sRGB pixels, 0 to 255, or where they are streamed from.
    labels
        Class index, one an image.
    recipe
        What is minimised.
    epochs
        Times that the images are gone through.
    batch
        Images a step, on all devices together. The images left over when an epoch is divided into
        batches wait for the next epoch, which shuffles anew.
    learning_rate
        The highest one of the schedule.
    momentum, weight_decay
        Of the optimizer; every trained parameter decays.
    schedule
        Name in `shapebias.training.schedules`.
    seed
        Of the order of the images, of dropout, and of what augmentation and recipe draw.
    nesterov
        Whether the momentum is Nesterov's; the papers use plain momentum.
    augmentation
        Name in `shapebias.training.augmentation`.
    trainable
        "all" weights, or those of the "last_layer" alone; batch norms then keep their
        statistics.
    channels_last
        Whether channels lie last in memory.
    compiled
        Whether the network, and what an attack climbs, are compiled by `torch.compile`.
    validation
        Images and labels, measured after every epoch.
    state
        Where the training is saved and, if it was killed, taken up again: it then ends with the
        same weights, bit for bit on a processor, as one that was not.
    fabric
        Devices and precision, from `shapebias.training.fabric`; the function runs on each of the
        devices, which take equal shares of a batch. Batch norms see their device's share, and their
        running
        statistics are averaged after each epoch.
    progress
        Called with each epoch's entry as soon as it is there, on the first device; where it is
        given, the images that are done are told as well, as `shapebias.progress` tells them.

    Returns
    -------
    One entry an epoch, from 1: epoch, loss and accuracy (means over the epoch's images, as the
    recipe saw them), validation_accuracy (none without `validation`), adversarial_accuracy (that
    under the recipe's attack, of up to 256 validation images; none without either), learning_rate
    (that of the last step) and images_per_second (for logs: it is never the same twice).

    Raises
    ------
    ShapebiasError
        If the loss is no longer a finite number, or far above that of guessing; if there is less
        than one batch of images, or one that cannot be shared equally; or if the recipe does not
        come to what it promises.
    """
    fabric = fabric or fabric_of()
    samples = as_samples(images)
    _check(samples, batch, fabric.world_size, recipe, validation)
    share_of, augment = lr_schedule(schedule), augmentation_by_name(augmentation)
    recipe.prepare(model)
    if channels_last:
        model.to(memory_format=torch.channels_last)
    with ExitStack() as stack:
        # Dropout draws from the global generator.
        stack.enter_context(torch.random.fork_rng())
        torch.manual_seed(seed + fabric.global_rank)
        if compiled:
            stack.enter_context(_compiled(model))
        optimizer = torch.optim.SGD(
            _to_train(model, trainable),
            lr=learning_rate,
            momentum=momentum,
            weight_decay=weight_decay,
            nesterov=nesterov and momentum > 0,
            # In one pass over the weights, not four.
            fused=True,
        )
        generator = torch.Generator(labels.device).manual_seed(seed + fabric.global_rank)
        n_classes = int(labels.max()) + 1
        loop = _Loop(model, samples, labels, recipe, optimizer, generator, augment, batch, state,
                     fabric, trainable, channels_last, n_classes)  # fmt: skip
        position = loop.restored()
        history, per_epoch = position.history, len(samples) // batch
        if progress is not None and fabric.is_global_zero:
            left = (epochs - len(history)) * per_epoch - position.step
            loop.counter = ProgressCounter("training", left * batch)
        for epoch in range(len(history) + 1, epochs + 1):
            if history and recipe.finished(history[-1]):
                break
            dones = [(epoch - 1 + step / per_epoch) / epochs for step in range(per_epoch)]
            entry = loop.epoch(position, [(one, learning_rate * share_of(one)) for one in dones])
            advice = divergence_hints(schedule, recipe)
            check_divergence(model, entry, n_classes, advice, state, fabric)
            loop.measure(entry, validation, seed)
            history.append(entry)
            position = Position(history)
            doubtful = has_loss_jump(position.history, n_classes)
            if state and (epoch == epochs or (epoch % state.every == 0 and not doubtful)):
                loop.save(position)
            if progress is not None and fabric.is_global_zero:
                progress(entry)
    model.requires_grad_()
    recipe.conclude(history)
    told = progress is not None and fabric.is_global_zero
    if told and is_at_chance(history[-1], n_classes):
        print(
            f"WARNING: after {len(history)} epochs the network is no better than guessing among "
            f"{n_classes} classes; {divergence_hints(schedule, recipe)}, or train for longer"
        )
    return history


@dataclass
class _Loop:
    """What stays the same from epoch to epoch."""

    model: nn.Module
    samples: InMemoryImages | StreamedImages
    labels: Labels
    recipe: Recipe
    optimizer: torch.optim.Optimizer
    generator: torch.Generator
    augment: Augmentation
    batch: int
    state: TrainingState | None
    fabric: Fabric
    trainable: str
    channels_last: bool
    n_classes: int
    counter: ProgressCounter | None = None

    def restored(self) -> Position:
        """Where an earlier job has left the training."""
        if self.state is None:
            return Position()
        return self.state.restore(self.model, self.optimizer, self.generator, self.fabric)

    def save(self, position: Position) -> None:
        """Leave the training for a later job."""
        self.state.save(self.model, self.optimizer, self.generator, self.fabric, position)

    def epoch(self, position: Position, plan: list[tuple[float, float]]) -> dict[str, Any]:
        """One step for each entry of the plan (share done, rate) that does not lie behind."""
        self.model.train(self.trainable == "all")
        start, before = time.perf_counter(), position.step
        # The last images of the order may be too few for a batch, and have no entry in the plan.
        chosen = self._order(position).split(self.batch)[before : len(plan)]
        share = slice(self.fabric.global_rank, None, self.fabric.world_size)
        pixels = self.samples.batches(chosen, share)
        for some, which, (done, rate) in zip(pixels, chosen, plan[before:], strict=True):
            truth = self.labels[which[share].to(self.labels.device)]
            loss, right = self._step(some, truth, done, rate)
            if not position.history and not position.step:
                self._check_first(loss)
            position.loss, position.right = position.loss + loss, position.right + right
            position.step += 1
            if self.counter is not None:
                self.counter(self.batch)
            if not math.isfinite(position.loss) and self.fabric.world_size == 1:
                # What follows is lost as well. Of several devices none may leave the others.
                break
            if self.state and position.step < len(plan) and self.state.due(self.fabric):
                # A step can lead to no numbers before a loss does.
                if any(sum_over_devices(self.fabric, not all_finite(self.model))):
                    break
                if not self._is_leaping(position, loss):
                    self.save(position)
        average_statistics(self.fabric, self.model)
        loss, right = sum_over_devices(self.fabric, position.loss, position.right)
        seconds = time.perf_counter() - start
        return {
            "epoch": len(position.history) + 1,
            "loss": loss / self.fabric.world_size / len(plan),
            "accuracy": right / (len(plan) * self.batch),
            "validation_accuracy": None,
            "adversarial_accuracy": None,
            "learning_rate": plan[-1][1],
            "images_per_second": (position.step - before) * self.batch / seconds,
        }

    def _is_leaping(self, position: Position, loss: float) -> bool:
        """Whether the state within an epoch, after a step of this loss, is none to keep."""
        last, whole = sum_over_devices(self.fabric, loss, position.loss)
        mean = {"loss": whole / position.step / self.fabric.world_size}
        highest = {"loss": max(last / self.fabric.world_size, mean["loss"])}
        # Of the first epoch nothing is known but what it has seen.
        return has_loss_jump([*(position.history or [mean]), highest], self.n_classes)

    def _check_first(self, loss: float) -> None:
        # On all devices or on none.
        if any(sum_over_devices(self.fabric, not math.isfinite(loss))):
            raise ShapebiasError(
                "training failed in the first step of epoch 1: the loss is no finite number though "
                "no weight has changed yet, so that no learning rate would help; look at the "
                "weights that the network begins with, its `mean` and `std`, and the attack"
            )

    def measure(self, entry: dict[str, Any], validation: tuple | None, seed: int) -> None:
        """Put the accuracies on validation images into an epoch's entry."""
        if validation is None:
            return
        with self.recipe.measuring(self.model):
            entry["validation_accuracy"] = accuracy(self.model, *validation, fabric=self.fabric)
            if self.recipe.attack is not None:
                entry["adversarial_accuracy"] = accuracy(
                    self.model,
                    *validation,
                    attack=self.recipe.seeded_attack(seed, self.generator.device),
                    most=ATTACKED,
                    fabric=self.fabric,
                )

    def _order(self, position: Position) -> Tensor:
        if position.order is None:
            position.order = self.generator.get_state()
            order = self.samples.order(self.generator)
        else:
            again = torch.Generator(self.generator.device)
            again.set_state(position.order)
            order = self.samples.order(again)
        # The same on all devices, whatever each of them has drawn.
        return self.fabric.broadcast(order) if self.fabric.world_size > 1 else order

    def _step(self, images: Tensor, labels: Labels, done: float, rate: float) -> tuple[float, int]:
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        pixels = as_floats(self.augment(images, self.generator), last=self.channels_last)
        with self.fabric.autocast(), _told_of_single_values():
            loss, right = self.recipe.loss(
                self.model, pixels, labels, done=done, generator=self.generator
            )
        self.optimizer.zero_grad()
        loss.backward()
        average_gradients(self.fabric, self.optimizer.param_groups[0]["params"])
        self.optimizer.step()
        return loss.item(), right


@contextmanager
def _told_of_single_values() -> Iterator[None]:
    """Say in one line where batch norm has nothing to take a spread of."""
    try:
        yield
    except ValueError as error:
        if "more than 1 value per channel" not in str(error):
            raise
        raise ShapebiasError(
            f"a batch norm sees one value a channel in all images of a step ({error}): train with "
            "a larger `batch`, on larger images, or on fewer `devices`"
        ) from error


def _check(
    samples: InMemoryImages | StreamedImages,
    batch: int,
    devices: int,
    recipe: Recipe,
    validation: tuple | None,
) -> None:
    if len(samples) < batch:
        raise ShapebiasError(f"{len(samples)} training images are fewer than one batch of {batch}")
    if batch % devices:
        raise ShapebiasError(f"a batch of {batch} cannot be shared equally by {devices} devices")
    if recipe.needs_validation and validation is None:
        raise ShapebiasError(f"{recipe} needs validation images: give `validation`")


def _to_train(model: nn.Module, trainable: str) -> list[nn.Parameter]:
    """Parameters that change; no gradient reaches the others."""
    if trainable not in TRAINABLE:
        raise UnknownName("value of `trainable`", trainable, TRAINABLE)
    if trainable == "all":
        return list(model.parameters())
    linear = [module for module in model.modules() if isinstance(module, nn.Linear)]
    if not linear:
        raise ShapebiasError("`trainable: last_layer` needs a network with a linear layer")
    model.requires_grad_(False)
    return list(linear[-1].requires_grad_().parameters())


@contextmanager
def _compiled(model: nn.Module) -> Iterator[None]:
    """Within this context a network and its twin for attacks are compiled."""
    with compiled_folded(model):
        model.compile()
        try:
            yield
        finally:
            model._compiled_call_impl = None
