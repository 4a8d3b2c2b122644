"""Pixel counts as tables: the label of each channel, and its overlap with each concept."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from jaxtyping import Float, Float64, Int64
from torch import Tensor

from shapebias.dissection.concept_labels import Concepts
from shapebias.dissection.iou_counts import PixelCounts

# IoU from which a concept counts in the diversity of a channel.
DIVERSITY_CUT = 0.01
LABELS = ["layer", "channel", "concept", "category", "iou", "threshold", "diversity"]
OVERLAPS = ["layer", "channel", "concept", "intersection", "activated", "truth", "iou"]

# Intersection, activated area and IoU, of shape (channel, concept); layers differ in channels.
Overlaps = tuple[
    Int64[np.ndarray, "_ concept"], Int64[np.ndarray, "_ concept"], Float64[np.ndarray, "_ concept"]
]


def ious_of(counts: PixelCounts, truth: Int64[Tensor, " concept"], concepts: Concepts) -> Overlaps:
    """Intersection, activated area and IoU of each channel and concept; IoU 0 without pixels."""
    intersection, truth = counts.intersection.numpy(), truth.numpy()
    activated = counts.activated[:, concepts.category_of].numpy()
    union = activated + truth - intersection
    iou = np.divide(intersection, union, out=np.zeros(union.shape), where=union > 0)
    return intersection, activated, iou


def labels_of(
    channels: Sequence[int],
    iou: Float64[np.ndarray, "channel concept"],
    thresholds: Float[Tensor, " channel"],
    concepts: Concepts,
) -> pd.DataFrame:
    """One row per channel, with the concept of highest IoU; of equal ones the first."""
    best = iou.argmax(axis=1)
    categories = np.array(concepts.categories, dtype=object)[concepts.category_of.numpy()]
    return pd.DataFrame(
        {
            "channel": np.array(channels),
            "concept": np.array(concepts.names, dtype=object)[best],
            "category": categories[best],
            "iou": iou.max(axis=1),
            "threshold": thresholds.cpu().numpy().astype(float),
            "diversity": (iou >= DIVERSITY_CUT).sum(axis=1),
        }
    )


def overlap_rows(
    channels: Mapping[str, Sequence[int]],
    overlaps: Sequence[Overlaps],
    truth: Int64[Tensor, " concept"],
    concepts: Concepts,
) -> pd.DataFrame:
    """One row per channel and concept, for all layers; there can be millions.

    Parameters
    ----------
    channels
        Layer to the numbers of its channels.
    overlaps
        From `ious_of`, for each layer.
    truth
        Pixels of each concept.
    concepts
        The concepts.
    """
    numbers = [number for of_layer in channels.values() for number in of_layer]
    layers = np.repeat(np.arange(len(channels)), list(map(len, channels.values())))
    order = np.tile(np.arange(len(concepts)), len(numbers))
    columns = {
        # Categorical, because writing the names into every row takes longer than counting pixels.
        "layer": pd.Categorical.from_codes(np.repeat(layers, len(concepts)), list(channels)),
        "channel": np.repeat(np.array(numbers, dtype=np.int64), len(concepts)),
        "concept": pd.Categorical.from_codes(order, concepts.names),
        "truth": np.tile(truth.numpy(), len(numbers)),
    }
    for index, name in enumerate(("intersection", "activated", "iou")):
        parts = [of_layer[index].ravel() for of_layer in overlaps]
        columns[name] = np.concatenate(parts) if parts else np.empty(0)
    return pd.DataFrame({name: columns[name] for name in OVERLAPS}, copy=False)
