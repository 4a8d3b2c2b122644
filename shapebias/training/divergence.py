"""Detect trainings that diverge or stay at chance."""

import math
from typing import Any

from torch import nn

from shapebias.errors import ShapebiasError
from shapebias.training.fabric import Fabric, sum_over_devices
from shapebias.training.recipes._base import Recipe
from shapebias.training.resume_state import Position, TrainingState, all_finite

# A training has diverged at this multiple of the loss of chance.
DIVERGENCE_FACTOR = 100
# A loss has jumped above this multiple of both the loss of chance and the loss of the epoch before.
# Advprop's sum of two losses begins at twice the loss of chance.
JUMP_FACTOR = 3
# A network is at chance up to this multiple of the accuracy of chance.
CHANCE_FACTOR = 1.1


def check_divergence(
    model: nn.Module,
    entry: dict[str, Any],
    n_classes: int,
    hints: str,
    state: TrainingState | None,
    fabric: Fabric,
) -> None:
    """Raise `ShapebiasError` if the training has diverged in the epoch of a log entry."""
    loss, chance = entry["loss"], chance_loss(n_classes)
    if loss < DIVERGENCE_FACTOR * chance and all_finite(model):
        return
    reason = (
        f"the loss is {loss:.4g} and {chance:.3g} at chance"
        if math.isfinite(loss) and loss >= DIVERGENCE_FACTOR * chance
        else "the loss or a weight is NaN or infinite"
    )
    advice = (
        f"; the last weights before it are kept in {state.keep_copy(fabric)}: to continue from "
        "them, import that file as another network of the study (the same `architecture`, its "
        "`classes`, `weights: {path: …}`) and set `init_from` to its name"
        if state and state.matches
        else ""
    )
    raise ShapebiasError(f"training diverged in epoch {entry['epoch']}: {reason}; {hints}{advice}")


def check_first_loss(loss: float, fabric: Fabric) -> None:
    """Raise `ShapebiasError`, on all devices, if the first loss is not finite on one of them."""
    if any(sum_over_devices(fabric, not math.isfinite(loss))):
        raise ShapebiasError(
            "training failed: the loss is NaN or infinite in the first step of epoch 1, before any "
            "update: check the initial weights, `mean`/`std` and the attack (a lower learning rate "
            "will not help)"
        )


def has_jumped_within_epoch(
    position: Position, loss: float, n_classes: int, fabric: Fabric
) -> bool:
    """Whether the loss of the last step, or the mean of the epoch's steps, has just jumped."""
    last, total = sum_over_devices(fabric, loss, position.loss)
    mean = total / position.step / fabric.world_size
    # In the first epoch the only reference is the epoch itself.
    before = position.history[-1]["loss"] if position.history else mean
    return has_loss_jump([before, max(last / fabric.world_size, mean)], n_classes)


def has_loss_jump(losses: list[float], n_classes: int) -> bool:
    """Whether the last loss has just jumped; such a state is not saved."""
    if len(losses) < 2:
        return False
    return losses[-1] > JUMP_FACTOR * max(chance_loss(n_classes), losses[-2])


def is_at_chance(entry: dict[str, Any], n_classes: int) -> bool:
    """Whether the accuracies of a log entry are no better than chance."""
    accuracies = [entry["accuracy"], entry["validation_accuracy"]]
    best = max(accuracy for accuracy in accuracies if accuracy is not None)
    return best <= CHANCE_FACTOR / n_classes


def chance_loss(n_classes: int) -> float:
    """Cross-entropy of equal probabilities for all classes."""
    return math.log(max(n_classes, 2))


def divergence_hints(schedule: str, recipe: Recipe) -> str:
    """List the settings that may stop a training from diverging and are not in use yet."""
    hints = ["lower `learning_rate`"]
    if schedule != "onecycle":
        hints.append("start with a low rate (`schedule: onecycle`)")
    if getattr(recipe, "warmup", None) == 0:
        hints.append("increase the attack gradually (`warmup`)")
    return ", or ".join(hints)
