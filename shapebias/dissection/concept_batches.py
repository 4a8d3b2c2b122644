"""Batches of a concept set for dissection."""

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any, TypeVar

import torch

from shapebias.dissection.concept_labels import ConceptBatch
from shapebias.io.image_sets import ImageSet
from shapebias.io.label_maps import label_maps
from shapebias.runtime.batch_size import with_fitting_batch_size
from shapebias.runtime.batches import pixels_of

T = TypeVar("T")


def run_in_concept_batches(
    work: Callable[[Callable[[], Iterator[ConceptBatch]]], T],
    concept_set: ImageSet,
    *,
    size: int,
    memory: int | None = None,
    held: Callable[[tuple[int, int]], int] = lambda shape: 0,
) -> T:
    """What `work` makes of a concept set's batches, which shrink where memory does not suffice.

    Parameters
    ----------
    work
        Called with a function that gives the batches each time that it is called; its result must
        not depend on their size.
    concept_set
        Images to take.
    size
        Images a batch, at most.
    memory
        Megabytes of the job; None for no limit.
    held
        Bytes that the work needs besides, however small its batches, for images of so many rows
        and columns.
    """
    shape = next(concept_set.rows())["pixels"].shape[:2]
    besides = 0 if memory is None else held(shape)

    def attempt(size: int) -> T:
        return work(lambda: concept_batches(concept_set.rows(), size=size))

    return with_fitting_batch_size(
        attempt, size, shape=shape, memory=memory, what="dissecting", fixed_bytes=besides
    )


def concept_batches(rows: Iterable[dict[str, Any]], *, size: int) -> Iterator[ConceptBatch]:
    """Group rows of a concept set into batches.

    Parameters
    ----------
    rows
        Dicts with `image_id`, `pixels`, `maps` and `labels`.
    size
        Images per batch.
    """
    rows = iter(rows)
    while group := list(islice(rows, size)):
        categories = sorted({layer["category"] for row in group for layer in row["maps"]})
        yield ConceptBatch(
            images=pixels_of(group),
            maps={
                category: [torch.from_numpy(layer) for layer in label_maps(group, category)]
                for category in categories
            },
            labels=[
                [(label["category"], label["number"]) for label in row["labels"]] for row in group
            ],
            image_ids=[row["image_id"] for row in group],
        )
