"""Dissection of one part of a network by a concept set on disk, as a study's settings say."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from shapebias.dissection.concept_batches import run_in_concept_batches
from shapebias.dissection.concept_labels import ConceptBatch
from shapebias.dissection.dissect import Dissection, dissect
from shapebias.dissection.thresholds import threshold_bytes
from shapebias.io.image_sets import ImageSet
from shapebias.networks.channel_parts import channels_of_part
from shapebias.networks.classifier import Classifier
from shapebias.progress import ProgressCounter

# Settings of the study that are those of `dissect`.
SETTINGS = ("quantile", "sweep", "area", "upsampling", "top_images")


def dissect_part(
    model: Classifier,
    paths: Sequence[str | Path],
    *,
    part: int,
    settings: Mapping[str, Any],
    memory: int | None = None,
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
    memory
        Megabytes of the job; None for no limit.
    """
    images = ImageSet(paths)
    n_images, concepts = len(images), images.concepts()
    chosen = {name: settings[name] for name in SETTINGS}
    chosen["channels"] = channels_of_part(model, part, settings)

    def work(batches: Callable[[], Iterator[ConceptBatch]]) -> Dissection:
        progress = ProgressCounter("dissecting, two passes", 2 * n_images)
        return dissect(model, batches, concepts, n_images=n_images, progress=progress, **chosen)

    def held(shape: tuple[int, int]) -> int:
        quantiles = [chosen["quantile"], *chosen["sweep"]]
        return threshold_bytes(
            model, shape, n_images=n_images, quantiles=quantiles, channels=chosen["channels"]
        )

    return run_in_concept_batches(work, images, size=settings["batch"], memory=memory, held=held)
