"""Training on clean images."""

from shapebias.plugins import plugin
from shapebias.training.recipes._base import Recipe


@plugin
class Standard(Recipe):
    """Cross-entropy on clean images.

    Parameters
    ----------
    label_smoothing
        Share of each label that is spread over all classes.
    """
