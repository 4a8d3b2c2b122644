"""Whether a training is on course: diverged, about to, or come to nothing."""

import math
from typing import Any

from torch import nn

from shapebias.errors import ShapebiasError
from shapebias.training.fabric import Fabric
from shapebias.training.recipes._base import Recipe
from shapebias.training.resume_state import TrainingState, all_finite

# Times the loss of guessing at which a training has left the rails for good.
DIVERGED = 100
# Times that loss, and the loss of the epoch before, above which an epoch may end on the way there:
# the state before it is left as it is. Advprop's sum of two losses begins at twice.
DOUBTFUL = 3
# Times the accuracy of guessing up to which a network has learnt nothing.
GUESSED = 1.1


def check_divergence(
    model: nn.Module,
    entry: dict[str, Any],
    n_classes: int,
    advice: str,
    state: TrainingState | None,
    fabric: Fabric,
) -> None:
    """Raise `ShapebiasError` if an epoch has led nowhere from which there is a way back."""
    loss, guessing = entry["loss"], _loss_of_guessing(n_classes)
    if loss < DIVERGED * guessing and all_finite(model):
        return
    reason = (
        f"the loss is {loss:.4g} where guessing has {guessing:.3g}"
        if math.isfinite(loss) and loss >= DIVERGED * guessing
        else "the loss or the weights are no longer finite numbers"
    )
    kept = (
        f"; the weights before it stay in {state.keep(fabric)}: to go on from them, import that "
        "file as another network of the study (the same `architecture`, its `classes`, `weights: "
        "{path: …}`) and name that as `init_from`"
        if state and state.own
        else ""
    )
    raise ShapebiasError(f"training diverged in epoch {entry['epoch']}: {reason}; {advice}{kept}")


def has_loss_jump(history: list[dict[str, Any]], n_classes: int) -> bool:
    """Whether the loss has just leapt so far that the weights are no place to begin from again."""
    losses = [entry["loss"] for entry in history[-2:]]
    usual = max(_loss_of_guessing(n_classes), losses[0])
    return len(losses) == 2 and losses[1] > DOUBTFUL * usual


def is_at_chance(entry: dict[str, Any], n_classes: int) -> bool:
    """Whether an epoch ends with accuracies that guessing has as well."""
    known = [entry["accuracy"], entry["validation_accuracy"]]
    return max(one for one in known if one is not None) <= GUESSED / n_classes


def _loss_of_guessing(n_classes: int) -> float:
    return math.log(max(n_classes, 2))


def divergence_hints(schedule: str, recipe: Recipe) -> str:
    """What may help a training that diverges and is not done yet."""
    hints = ["lower `learning_rate`"]
    if schedule != "onecycle":
        hints.append("begin it gently (`schedule: onecycle`)")
    if getattr(recipe, "warmup", None) == 0:
        hints.append("let the attack grow (`warmup`)")
    return ", or ".join(hints)
