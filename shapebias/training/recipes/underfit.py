"""Training on clean images that stops early at a target accuracy."""

from typing import Annotated, Any

from shapebias.errors import ShapebiasError
from shapebias.plugins import plugin
from shapebias.ranges import Range
from shapebias.training.recipes._base import Recipe


@plugin
class Underfit(Recipe):
    """Cross-entropy on clean images until the network is as accurate as an adversarial one.

    This control separates the effect of adversarial training from that of a lower accuracy. The
    training stops after the first epoch whose accuracy on the images of `validation` reaches the
    target; the learning rate follows the schedule of the whole training.

    `validation` may be any image set with labels of the training's classes. If it is the test set,
    as in the shipped studies, the network is selected on the images on which it is then measured,
    so its accuracy on them is the target by construction and not an estimate. The comparison is
    then between networks of equal test accuracy, as in Table 1 of [1]_, which lists such a network
    (86.79 %) next to adversarial ones (84.90 to 93.40 %). For an accuracy that is an estimate, name
    images that no measurement uses.

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

    target: Annotated[float, Range(gt=0, lt=1)]
    needs_validation = True

    def should_stop(self, entry: dict[str, Any]) -> bool:
        """Whether the validation accuracy has reached the target."""
        return entry["validation_accuracy"] >= self.target

    def check_outcome(self, history: list[dict[str, Any]]) -> None:
        """Raise `ShapebiasError` if the training ended below the target."""
        if not self.should_stop(history[-1]):
            best = max(entry["validation_accuracy"] for entry in history)
            raise ShapebiasError(
                f"recipes/underfit: {len(history)} epochs reached {best:.2%}, not the target of "
                f"{self.target:.2%}; train for longer, or lower `target`"
            )
