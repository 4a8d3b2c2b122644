"""The training loop, shared by all networks and recipes."""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor, nn

from shapebias.errors import ShapebiasError
from shapebias.networks.fold import compiled_folded
from shapebias.progress import ProgressCounter
from shapebias.training.divergence import (
    check_divergence,
    check_first_loss,
    divergence_hints,
    has_jumped_within_epoch,
    has_loss_jump,
    is_at_chance,
)
from shapebias.training.fabric import (
    Fabric,
    average_statistics,
    fabric_of,
    sum_over_devices,
)
from shapebias.training.image_loaders import InMemoryImages, StreamedImages
from shapebias.training.recipes._base import Recipe
from shapebias.training.resume_state import Position, TrainingState, all_finite
from shapebias.training.settings import TrainingSettings
from shapebias.training.step import TrainingStep
from shapebias.training.validation import validate

Samples = InMemoryImages | StreamedImages
Entry = dict[str, Any]


@dataclass(kw_only=True)
class Trainer:
    """Training of a network by stochastic gradient descent with momentum.

    On one processor the weights depend, bit for bit, only on the arguments, the initial weights
    and the number of threads. Torch's global generators are left unchanged.

    Parameters
    ----------
    model
        Maps images in [0, 1] to class scores; it is trained in place.
    recipe
        What is minimised.
    settings
        Learning rate, number of epochs, augmentation, ...
    images, labels
        Training images, and the class index of each.
    validation
        Images and labels on which the accuracy is measured after every epoch.
    fabric
        Devices and precision. `run` is called on each device; devices take equal shares of a
        batch. Batch norms normalise by their device's share, and their running statistics are
        averaged after each epoch.
    state
        Where the training is saved and resumed from. A resumed training ends with the same weights
        as an uninterrupted one, bit for bit on a processor.
    on_epoch
        Called with each epoch's log entry, on the first device. If given, the progress within
        epochs is printed too.
    """

    model: nn.Module
    recipe: Recipe
    settings: TrainingSettings
    images: Samples
    labels: Int[Tensor, " image"]
    validation: tuple[Samples, Int[Tensor, " validation"]] | None = None
    fabric: Fabric = field(default_factory=fabric_of)
    state: TrainingState | None = None
    on_epoch: Callable[[Entry], Any] | None = None

    def __post_init__(self):
        self._check()
        seed = self.settings.seed + self.fabric.global_rank
        self._seed, self._n_steps = seed, len(self.images) // self.settings.batch
        self._generator = torch.Generator(self.labels.device).manual_seed(seed)
        self._is_reporting = self.on_epoch is not None and self.fabric.is_global_zero
        self._hints = divergence_hints(self.settings.schedule, self.recipe)
        self._counter: ProgressCounter | None = None

    def run(self) -> list[Entry]:
        """Train the network, once.

        Returns
        -------
        One entry per epoch: epoch, from 1; loss and accuracy (means over the epoch's images, as
        the recipe computes them); validation_accuracy (None without `validation`);
        adversarial_accuracy (under the recipe's attack, on up to 256 validation images; None
        without either); learning_rate (of the last step); and images_per_second (a measured time,
        which differs between runs).

        Raises
        ------
        ShapebiasError
            If the training diverges or the recipe misses its target.
        """
        self.recipe.prepare(self.model)
        if self.settings.channels_last:
            self.model.to(memory_format=torch.channels_last)
        with ExitStack() as stack:
            # Dropout draws from the global generator.
            stack.enter_context(torch.random.fork_rng())
            torch.manual_seed(self._seed)
            if self.settings.compiled:
                stack.enter_context(_compiled(self.model))
            self._step = TrainingStep(
                self.model, self.recipe, self.settings, self.fabric, self._generator
            )
            history = self._train()
        self.model.requires_grad_()
        self.recipe.check_outcome(history)
        if self._is_reporting and is_at_chance(history[-1], self._n_classes):
            print(
                f"warning: after {len(history)} epochs the network is at chance among "
                f"{self._n_classes} classes; {self._hints}, or train for longer"
            )
        return history

    def _check(self) -> None:
        n, batch, devices = len(self.images), self.settings.batch, self.fabric.world_size
        if n < batch:
            raise ShapebiasError(f"{n} training images are fewer than one batch of {batch}")
        if batch % devices:
            raise ShapebiasError(f"`batch: {batch}` must be a multiple of `devices: {devices}`")
        if self.recipe.needs_validation and self.validation is None:
            raise ShapebiasError(f"{self.recipe} needs validation images: set `validation`")

    @cached_property
    def _n_classes(self) -> int:
        return int(self.labels.max()) + 1

    def _train(self) -> list[Entry]:
        """Train the epochs that an earlier job has not finished; return the entries of all."""
        position = Position()
        if self.state:
            position = self.state.restore(*self._saved_parts)
        history, epochs = position.history, self.settings.epochs
        if self._is_reporting:
            steps = (epochs - len(history)) * self._n_steps - position.step
            self._counter = ProgressCounter("training", steps * self.settings.batch)
        while len(history) < epochs and not (history and self.recipe.should_stop(history[-1])):
            entry = self._train_epoch(position)
            check_divergence(
                self.model, entry, self._n_classes, self._hints, self.state, self.fabric
            )
            if self.validation:
                entry |= validate(
                    self.model, self.recipe, *self.validation, self.settings.seed, self.fabric
                )
            history.append(entry)
            position = Position(history)
            self._save_after_epoch(position)
            if self._is_reporting:
                self.on_epoch(history[-1])
        return history

    def _train_epoch(self, position: Position) -> Entry:
        """Take the remaining steps of the epoch at `position`, and return the epoch's entry."""
        self.model.train(self.settings.trainable == "all")
        start, first_step = time.perf_counter(), position.step
        self._take_steps(position)
        average_statistics(self.fabric, self.model)
        loss, correct = sum_over_devices(self.fabric, position.loss, position.correct)
        n_images = (position.step - first_step) * self.settings.batch
        progress = self._progress(position, self._n_steps - 1)
        return {
            "epoch": len(position.history) + 1,
            "loss": loss / self.fabric.world_size / self._n_steps,
            "accuracy": correct / (self._n_steps * self.settings.batch),
            "validation_accuracy": None,
            "adversarial_accuracy": None,
            "learning_rate": self.settings.learning_rate_at(progress),
            "images_per_second": n_images / (time.perf_counter() - start),
        }

    def _take_steps(self, position: Position) -> None:
        # Images left over at the end of the order are too few for a batch.
        batches = self._order(position).split(self.settings.batch)[position.step : self._n_steps]
        share = slice(self.fabric.global_rank, None, self.fabric.world_size)
        for pixels, indices in zip(self.images.batches(batches, share), batches, strict=True):
            labels = self.labels[indices[share].to(self.labels.device)]
            loss, correct = self._step(pixels, labels, self._progress(position, position.step))
            if not position.history and not position.step:
                check_first_loss(loss, self.fabric)
            position.loss, position.correct = position.loss + loss, position.correct + correct
            position.step += 1
            if self._counter:
                self._counter(self.settings.batch)
            if not math.isfinite(position.loss) and self.fabric.world_size == 1:
                # Only a single device may stop early: several must take equal numbers of steps.
                break
            if self.state and position.step < self._n_steps and self.state.should_save(self.fabric):
                # A step can break the weights before the loss shows it.
                if any(sum_over_devices(self.fabric, not all_finite(self.model))):
                    break
                if not has_jumped_within_epoch(position, loss, self._n_classes, self.fabric):
                    self.state.save(*self._saved_parts, position)

    def _progress(self, position: Position, step: int) -> float:
        """Fraction of the training that is done before a step of the current epoch."""
        return (len(position.history) + step / self._n_steps) / self.settings.epochs

    def _order(self, position: Position) -> Int[Tensor, " image"]:
        """Order of the images in the current epoch, equal on all devices."""
        generator = self._generator
        if position.order is None:
            position.order = generator.get_state()
        else:
            generator = torch.Generator(generator.device)
            generator.set_state(position.order)
        order = self.images.order(generator)
        return self.fabric.broadcast(order) if self.fabric.world_size > 1 else order

    def _save_after_epoch(self, position: Position) -> None:
        if self.state is None:
            return
        epoch = len(position.history)
        jumped = has_loss_jump([entry["loss"] for entry in position.history], self._n_classes)
        if epoch == self.settings.epochs or (epoch % self.state.every == 0 and not jumped):
            self.state.save(*self._saved_parts, position)

    @property
    def _saved_parts(self) -> tuple[nn.Module, torch.optim.Optimizer, torch.Generator, Fabric]:
        return self.model, self._step.optimizer, self._generator, self.fabric


@contextmanager
def _compiled(model: nn.Module) -> Iterator[None]:
    """Within this context a network, and its folded copy that attacks run on, are compiled."""
    with compiled_folded(model):
        model.compile()
        try:
            yield
        finally:
            model._compiled_call_impl = None
