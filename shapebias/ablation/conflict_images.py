"""Cue-conflict images for ablation, with their shape and texture classes."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float64, Int64

from shapebias.errors import ShapebiasError, UnknownName
from shapebias.io.image_sets import read_rows


def conflict_rows(paths: Sequence[str | Path]) -> list[dict[str, Any]]:
    """Read an image set whose images have a shape class and a texture class.

    Raises
    ------
    ShapebiasError
        If there are no images, an image lacks one of the classes, or shape and texture agree in
        every image: no decision could then be lost to ablation.
    """
    rows, folder = list(read_rows(paths)), Path(paths[0]).parent
    if not rows:
        problem = f"no images in {folder}"
    elif incomplete := [row for row in rows if None in (row["shape"], row["texture"])]:
        image_id = incomplete[0]["image_id"]
        problem = f"image {image_id} in {folder} lacks a shape or texture class"
    elif all(row["shape"] == row["texture"] for row in rows):
        problem = f"shape and texture are the same class in every image in {folder}"
    else:
        return rows
    raise ShapebiasError(f"{problem}; ablation needs a cue-conflict image set")


@dataclass(frozen=True)
class ConflictImages:
    """Cue-conflict images with the decisions of the unablated network.

    Parameters
    ----------
    image_ids
        Of each image.
    shapes, textures
        The two classes of each image.
    classes
        Classes that the network can decide for.
    decisions
        Index in `classes` of the decision on each image.
    probabilities
        Of every class, in the order of `classes`.

    Raises
    ------
    UnknownName
        If no image has a shape class, or none a texture class, that the network can decide for.
    """

    image_ids: Sequence[str]
    shapes: Sequence[str]
    textures: Sequence[str]
    classes: Sequence[str]
    decisions: Int64[np.ndarray, " image"]
    probabilities: Float64[np.ndarray, "image class"]

    def __post_init__(self):
        for labels in (self.shapes, self.textures):
            if len(labels) and not set(labels) & set(self.classes):
                raise UnknownName("class of a cue-conflict image", labels[0], self.classes)

    @cached_property
    def targets(self) -> dict[str, Int64[np.ndarray, " image"]]:
        """Index of each image's `shape` and `texture` class; -1 if it is not in `classes`."""
        index = {name: number for number, name in enumerate(self.classes)}
        return {
            cue: np.array([index.get(label, -1) for label in labels], dtype=np.int64)
            for cue, labels in (("shape", self.shapes), ("texture", self.textures))
        }

    @cached_property
    def decided_by(self) -> dict[str, Bool[np.ndarray, " image"]]:
        """Images with differing cues that the network decides by `shape`, and by `texture`."""
        differ = self.targets["shape"] != self.targets["texture"]
        return {cue: differ & (self.decisions == target) for cue, target in self.targets.items()}

    @cached_property
    def counted(self) -> Int64[np.ndarray, " counted"]:
        """Indices of the images that the network decides by either cue."""
        return np.flatnonzero(self.decided_by["shape"] | self.decided_by["texture"])
