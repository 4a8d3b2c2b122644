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
    """Rows of an image set whose images carry the cues of two classes.

    Raises
    ------
    ShapebiasError
        If there is no image, one without cues, or none whose shape and texture are of different
        classes: silencing would then have nothing to change.
    """
    rows, place = list(read_rows(paths)), Path(paths[0]).parent
    advice = "name an image set of cue conflicts"
    if not rows:
        raise ShapebiasError(f"{place} holds no images to silence channels on: {advice}")
    if bare := [row for row in rows if None in (row["shape"], row["texture"])]:
        name = bare[0]["image_id"]
        raise ShapebiasError(f"{name} of {place} has no classes of shape and texture: {advice}")
    if all(row["shape"] == row["texture"] for row in rows):
        raise ShapebiasError(
            f"in all images of {place} shape and texture are of one class: {advice}"
        )
    return rows


@dataclass(frozen=True)
class ConflictImages:
    """Cue-conflict images as the intact network sees them.

    Parameters
    ----------
    image_ids
        Of each image.
    shapes, textures
        The two classes of each image.
    classes
        Those that the network can decide for.
    decisions
        Index of the class that each image gets.
    probabilities
        Of every class.

    Raises
    ------
    UnknownName
        If the network can decide for none of the images' classes.
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
        """Index of each image's `shape` and `texture` class; -1 for one never decided for."""
        index = {name: number for number, name in enumerate(self.classes)}
        both = {"shape": self.shapes, "texture": self.textures}
        return {
            cue: np.array([index.get(label, -1) for label in labels], dtype=np.int64)
            for cue, labels in both.items()
        }

    @cached_property
    def decided_by(self) -> dict[str, Bool[np.ndarray, " image"]]:
        """Images whose cues differ and that the network decides by `shape`, and by `texture`."""
        differ = self.targets["shape"] != self.targets["texture"]
        return {cue: differ & (self.decisions == own) for cue, own in self.targets.items()}

    @cached_property
    def counted(self) -> Int64[np.ndarray, " counted"]:
        """Places of the images that are decided by either."""
        return np.flatnonzero(self.decided_by["shape"] | self.decided_by["texture"])
