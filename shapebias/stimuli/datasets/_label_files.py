"""Label maps in PNG files: the number of a class in every pixel."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt16
from PIL import Image

from shapebias.errors import ShapebiasError

LabelMap = UInt16[np.ndarray, "row column"]


def labelled_row(row: dict[str, Any], find: Callable[[], dict[str, list]]) -> dict[str, Any]:
    """Row of an image with its `maps` and `labels`; rejected where they cannot be read.

    Parameters
    ----------
    row
        As `shapebias.stimuli.image_folders.image_row` returns it.
    find
        Returns the `maps` and `labels`, or raises `ShapebiasError`.
    """
    if row["image"] is None:
        return row
    try:
        return {**row, **find()}
    except ShapebiasError as error:
        return {**row, "image": None, "rejected": str(error)}


def numbers_in(folder: Path, name: str) -> LabelMap:
    """Read a map whose pixels are numbers: grey levels of 8 or 16 bits, or palette indices.

    Raises
    ------
    ShapebiasError
        If there is no such file, or its pixels are not numbers; the message names the file
        relative to `folder`.
    """
    image = _opened(folder, name)
    if image.mode not in ("L", "P", "1", "I;16", "I;16B"):
        raise ShapebiasError(
            f"label map {name}: pixels of mode {image.mode}; need grey levels or a palette"
        )
    return np.asarray(image).astype(np.uint16)


def numbers_in_red_and_green(folder: Path, name: str) -> LabelMap:
    """Read a map whose number is red + 256 green; raises as `numbers_in` does."""
    image = _opened(folder, name)
    if image.mode not in ("RGB", "RGBA"):
        raise ShapebiasError(f"label map {name}: pixels of mode {image.mode}; need red and green")
    pixels = np.asarray(image).astype(np.uint16)
    return pixels[..., 0] + 256 * pixels[..., 1]


def _opened(folder: Path, name: str) -> Image.Image:
    if not (folder / name).is_file():
        raise ShapebiasError(f"label map {name}: there is no such file")
    try:
        with Image.open(folder / name, formats=["PNG"]) as image:
            image.load()
            return image
    # On damaged files Pillow raises errors of almost every class.
    except Exception as error:
        raise ShapebiasError(f"label map {name}: not a readable PNG file, or cut short") from error
