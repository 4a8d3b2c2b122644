"""Training on the images as they are, ended early at a given accuracy."""

from dataclasses import dataclass
from typing import Annotated, Any

from shapebias.errors import ShapebiasError
from shapebias.ranges import Range
from shapebias.training.recipes.standard import Standard


def build(
    *,
    target: Annotated[float, Range(gt=0, lt=1)],
    label_smoothing: Annotated[float, Range(ge=0, lt=1)] = 0.0,
) -> "Underfit":
    """Cross-entropy on clean images until the network is as good as an adversarial one.

    It tells apart what comes from adversarial training and what from lower accuracy. The training
    ends after the first epoch whose accuracy on the images of `validation` reaches the target; its
    schedule is that of the whole training.

    `validation` may be any image set with labels of the training's classes. Where it is the test
    set, as in the shipped studies, the network is selected on the images that it is then measured
    on, and its accuracy on them is the target by choice and no estimate. That is the comparison
    that is meant here, a network as good on the test set as the adversarial ones, whose test
    accuracies Table 1 of [1]_ sets beside its own (86.79 % against 84.90 to 93.40 %). For an
    accuracy that is an estimate, name images that are in no measurement.

    Parameters
    ----------
    target
        Accuracy on the images of `validation`, in (0, 1).
    label_smoothing
        Share of each label that is spread over all classes.

    References
    ----------
    .. [1] Zhang & Zhu (2019). Interpreting adversarially trained convolutional neural networks.
       ICML. :DOI:`10.48550/arXiv.1905.09797`
    """
    return Underfit(target=target, label_smoothing=label_smoothing)


@dataclass(frozen=True, kw_only=True)
class Underfit(Standard):
    """The recipe that `build` describes."""

    target: float
    needs_validation = True

    def finished(self, entry: dict[str, Any]) -> bool:
        """Whether the target is reached."""
        return entry["validation_accuracy"] >= self.target

    def conclude(self, history: list[dict[str, Any]]) -> None:
        """Raise `ShapebiasError` if the training has ended below the target."""
        if not self.finished(history[-1]):
            best = max(entry["validation_accuracy"] for entry in history)
            raise ShapebiasError(
                f"recipes/underfit: {len(history)} epochs reach {best:.2%} and not the target of "
                f"{self.target:.2%}; train for longer, or lower `target`"
            )
