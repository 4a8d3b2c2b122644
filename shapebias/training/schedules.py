"""Learning-rate schedules: factors of the highest rate as functions of the training's progress."""

import math
from collections.abc import Callable

from shapebias.errors import UnknownName


def lr_schedule(schedule: str) -> Callable[[float], float]:
    """Return the schedule of a name: the factor in [0, 1] as a function of the progress in [0, 1].

    Examples
    --------
    >>> lr_schedule("steps")(0.5)
    0.1
    """
    if schedule not in SCHEDULES:
        raise UnknownName("schedule", schedule, SCHEDULES)
    return SCHEDULES[schedule]


def constant(progress: float) -> float:
    """Keep the rate, as usual when a last layer is fitted to trained features."""
    return 1.0


def cosine(progress: float) -> float:
    """Fall along half a cosine, from 1 to 0."""
    return (1 + math.cos(math.pi * progress)) / 2


def steps(progress: float) -> float:
    """Divide by ten after each third: every 30 of 90 epochs, every 20 of 60."""
    return 0.1 ** int(3 * progress)


def onecycle(progress: float) -> float:
    """Rise linearly from 0.05 to 1 in the first fifth, then fall along half a cosine to 0."""
    rise = 0.2
    if progress < rise:
        return 0.05 + 0.95 * progress / rise
    return cosine((progress - rise) / (1 - rise))


SCHEDULES = {"constant": constant, "cosine": cosine, "steps": steps, "onecycle": onecycle}
