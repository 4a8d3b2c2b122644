"""Cue-conflict images, on which channels are silenced."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from shapebias.errors import ShapebiasError
from shapebias.imagesets import read_rows


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
