"""Dissection of one part of a network by a concept set on disk, as a study's settings say."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from shapebias.classifier import Classifier
from shapebias.concept_batches import concept_batches
from shapebias.dissection import Dissection, dissect
from shapebias.imagesets import concepts_of, number_of_rows, read_rows
from shapebias.progress import Counter
from shapebias.units import channels_of_part

# Settings of the study that are those of `dissect`.
SETTINGS = ("quantile", "sweep", "area", "upsampling", "top_images")


def dissect_part(
    model: Classifier, paths: Sequence[str | Path], *, part: int, settings: Mapping[str, Any]
) -> Dissection:
    """Dissect one part of a network's channels; progress goes to standard output.

    Parameters
    ----------
    model
        On the device on which it is to run.
    paths
        Files of the concept set, in order.
    part
        Which of the parts, from 0.
    settings
        The study's `measurements: dissection`.
    """
    n_images = number_of_rows(paths)
    return dissect(
        model,
        lambda: concept_batches(read_rows(paths), size=settings["batch"]),
        concepts_of(paths[0]),
        channels=channels_of_part(model, part, settings),
        n_images=n_images,
        progress=Counter("dissecting, two passes", 2 * n_images),
        **{name: settings[name] for name in SETTINGS},
    )
