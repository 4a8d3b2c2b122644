"""Dissect one part of a network with a concept set on disk, with the settings of a study."""

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

# Settings of the study that are keywords of `dissect`.
SETTINGS = ("quantile", "sweep", "area", "upsampling", "top_images")


def dissect_part(
    model: Classifier,
    paths: Sequence[str | Path],
    *,
    part: int,
    settings: Mapping[str, Any],
    memory: int | None = None,
) -> Dissection:
    """Dissect one part of a network's channels and print the progress.

    Parameters
    ----------
    model
        Network, on the device to run it on.
    paths
        Files of the concept set, in order.
    part
        Number of the part, from 0.
    settings
        Settings `measurements: dissection` of the study.
    memory
        Memory of the job in megabytes; None for no limit.
    """
    images = ImageSet(paths)
    n_images, concepts = len(images), images.concepts()
    keywords = {name: settings[name] for name in SETTINGS}
    keywords["channels"] = channels_of_part(model, part, settings)

    def work(batches: Callable[[], Iterator[ConceptBatch]]) -> Dissection:
        progress = ProgressCounter("dissecting, two passes", 2 * n_images)
        return dissect(model, batches, concepts, n_images=n_images, progress=progress, **keywords)

    def held(shape: tuple[int, int]) -> int:
        quantiles = [keywords["quantile"], *keywords["sweep"]]
        return threshold_bytes(
            model, shape, n_images=n_images, quantiles=quantiles, channels=keywords["channels"]
        )

    return run_in_concept_batches(work, images, size=settings["batch"], memory=memory, held=held)
