"""Batches of a concept set for dissection."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

import torch

from shapebias.concept_labels import ConceptBatch
from shapebias.concepts import label_maps
from shapebias.imagesets import stack


def concept_batches(rows: Iterable[dict[str, Any]], *, size: int) -> Iterator[ConceptBatch]:
    """Rows of a concept set as batches of images, label maps and whole-image labels.

    Parameters
    ----------
    rows
        Rows with `image_id`, `pixels`, `maps` and `labels`.
    size
        Images a batch.
    """
    rows = iter(rows)
    while group := list(islice(rows, size)):
        categories = sorted({layer["category"] for row in group for layer in row["maps"]})
        yield ConceptBatch(
            images=torch.from_numpy(stack(group)).contiguous().float().div_(255),
            maps={
                category: [torch.from_numpy(layer) for layer in label_maps(group, category)]
                for category in categories
            },
            labels=[
                [(label["category"], label["number"]) for label in row["labels"]] for row in group
            ],
            image_ids=[row["image_id"] for row in group],
        )
