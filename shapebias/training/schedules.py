"""How the learning rate goes: shares of its highest, over the share of steps that are done."""

import math
from collections.abc import Callable

from shapebias.errors import UnknownName


def lr_schedule(schedule: str) -> Callable[[float], float]:
    """Share of the highest learning rate, as a function of the share of steps that are done."""
    if schedule not in SCHEDULES:
        raise UnknownName("schedule", schedule, SCHEDULES)
    return SCHEDULES[schedule]


def constant(done: float) -> float:
    """The same throughout, as when a last layer is fitted to trained features."""
    return 1.0


def cosine(done: float) -> float:
    """Half a cosine, from 1 to 0."""
    return (1 + math.cos(math.pi * done)) / 2


def steps(done: float) -> float:
    """A tenth after each third: every 30 of 90 epochs, every 20 of 60."""
    return 0.1 ** int(3 * done)


def onecycle(done: float) -> float:
    """Straight up from a twentieth in the first fifth, then half a cosine down to 0."""
    rise = 0.2
    return 0.05 + 0.95 * done / rise if done < rise else cosine((done - rise) / (1 - rise))


SCHEDULES = {"constant": constant, "cosine": cosine, "steps": steps, "onecycle": onecycle}
