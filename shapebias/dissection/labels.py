"""Counted pixels as tables: every channel's label, and its overlap with every concept."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from torch import Tensor

from shapebias.dissection.concept_labels import Concepts
from shapebias.dissection.iou_counts import IouCounts

DIVERSITY_CUT = 0.01
LABELS = ["layer", "channel", "concept", "category", "iou", "threshold", "diversity"]
OVERLAPS = ["layer", "channel", "concept", "intersection", "activated", "truth", "iou"]


def ious_of(counts: IouCounts, truth: Tensor, concepts: Concepts) -> tuple[np.ndarray, ...]:
    """Intersection, activated area and IoU of each channel (down) and concept (across)."""
    intersection, truth = counts.intersection.numpy(), truth.numpy()
    activated = counts.activated[:, concepts.kind_of].numpy()
    union = activated + truth - intersection
    iou = np.divide(intersection, union, out=np.zeros(union.shape), where=union > 0)
    return intersection, activated, iou


def labels_of(
    numbers: Sequence[int], iou: np.ndarray, thresholds: Tensor, concepts: Concepts
) -> pd.DataFrame:
    """One row a channel, with its best concept; `iou` is (channel, concept)."""
    best = iou.argmax(axis=1)
    return pd.DataFrame(
        {
            "channel": np.array(numbers),
            "concept": np.array(concepts.names, dtype=object)[best],
            "category": np.array(concepts.categories, dtype=object)[best],
            "iou": iou.max(axis=1),
            "threshold": thresholds.cpu().numpy().astype(float),
            "diversity": (iou >= DIVERSITY_CUT).sum(axis=1),
        }
    )


def iou_rows(
    chosen: Mapping[str, Sequence[int]],
    ious: Sequence[tuple[np.ndarray, ...]],
    truth: Tensor,
    concepts: Concepts,
) -> pd.DataFrame:
    """One row a channel and concept, of all layers at once: there can be millions."""
    numbers = [number for channels in chosen.values() for number in channels]
    layers = np.repeat(np.arange(len(chosen)), [len(channels) for channels in chosen.values()])
    order = np.tile(np.arange(len(concepts)), len(numbers))
    columns = {
        # Names written out for each row take longer than to count the pixels.
        "layer": pd.Categorical.from_codes(np.repeat(layers, len(concepts)), list(chosen)),
        "channel": np.repeat(np.array(numbers, dtype=np.int64), len(concepts)),
        "concept": pd.Categorical.from_codes(order, concepts.names),
        "truth": np.tile(truth.numpy(), len(numbers)),
    }
    for place, name in enumerate(("intersection", "activated", "iou")):
        parts = [one[place].ravel() for one in ious]
        columns[name] = np.concatenate(parts) if parts else np.empty(0)
    return pd.DataFrame({name: columns[name] for name in OVERLAPS}, copy=False)
