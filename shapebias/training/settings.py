"""Settings of the training loop."""

from dataclasses import dataclass

from shapebias.errors import UnknownName
from shapebias.training.augmentation import augmentation_by_name
from shapebias.training.schedules import lr_schedule

TRAINABLE = ("all", "last_layer")


@dataclass(frozen=True, kw_only=True)
class TrainingSettings:
    """Settings of stochastic gradient descent with momentum.

    Parameters
    ----------
    epochs
        Passes over the images.
    batch
        Images per step, on all devices together. Images left over when an epoch is divided into
        batches are skipped in this epoch; the next one shuffles all images again.
    learning_rate
        Highest rate of the schedule.
    momentum, weight_decay
        Settings of the optimizer; every trained parameter decays.
    schedule
        Name in `shapebias.training.schedules`.
    seed
        Seed of the order of the images, of dropout, and of the draws of augmentation and recipe.
    nesterov
        Use Nesterov momentum; the papers use plain momentum.
    augmentation
        Name in `shapebias.training.augmentation`.
    trainable
        Train "all" weights, or only those of the "last_layer"; batch norms then keep their
        statistics.
    channels_last
        Store weights and images with the channels last in memory.
    compiled
        Compile the network, and its folded copy that attacks run on, by `torch.compile`.

    Raises
    ------
    UnknownName
        If there is no such schedule, augmentation or value of `trainable`.
    """

    epochs: int
    batch: int
    learning_rate: float
    momentum: float
    weight_decay: float
    schedule: str
    seed: int
    nesterov: bool = False
    augmentation: str = "none"
    trainable: str = "all"
    channels_last: bool = True
    compiled: bool = False

    def __post_init__(self):
        lr_schedule(self.schedule), augmentation_by_name(self.augmentation)
        if self.trainable not in TRAINABLE:
            raise UnknownName("value of `trainable`", self.trainable, TRAINABLE)

    def learning_rate_at(self, progress: float) -> float:
        """Learning rate when this fraction of the training, in [0, 1), is done."""
        return self.learning_rate * lr_schedule(self.schedule)(progress)
