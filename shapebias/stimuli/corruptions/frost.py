"""Frost: pictures of ice crystals laid over the image."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from shapebias.errors import ShapebiasError
from shapebias.plugins import FilePath
from shapebias.ranges import Range
from shapebias.stimuli.corruptions._base import Corruption
from shapebias.stimuli.image_folders import SUFFIXES

# The published code draws from the first five of its six pictures.
DRAWN = 5
WHERE = (
    "frost1.png ... frost6.jpg are in ImageNet-C/imagenet_c/imagenet_c/frost of"
    " github.com/hendrycks/robustness, and in the Python package imagecorruptions"
)


def build(*, severity: Annotated[int, Range(ge=1, le=5)], pictures: FilePath) -> "Frost":
    """Corruption that covers an image with frost.

    Parameters
    ----------
    severity
        From 1 to 5.
    pictures
        Folder of pictures of frost. The first five in the order of their names are used, which
        are the published ones where it holds the published files.

    Raises
    ------
    ShapebiasError
        If the folder does not exist or holds no picture; the message says where to get them.
    """
    return Frost(severity=severity, pictures=_pictures(Path(pictures)))


@dataclass(frozen=True, kw_only=True)
class Frost(Corruption):
    """Weighted sum of the image and a random part of a random picture of frost.

    `LEVELS` are the weights of the image and of the frost.

    Parameters
    ----------
    pictures
        Pictures of frost, uint8 ``(row, column, 3)`` of any sizes.
    """

    LEVELS = ((1, 0.4), (0.8, 0.6), (0.7, 0.7), (0.65, 0.7), (0.6, 0.75))

    pictures: tuple[UInt8[np.ndarray, "_ _ 3"], ...] = field(repr=False)

    def __call__(
        self, pixels: UInt8[np.ndarray, "row column 3"], *, rng: np.random.Generator
    ) -> UInt8[np.ndarray, "row column 3"]:
        """Image behind frost; a picture that is smaller than the image is enlarged to cover it."""
        rows, columns, _ = pixels.shape
        picture = _covering(self.pictures[rng.integers(len(self.pictures))], rows, columns)
        # As published, the last possible place is never drawn.
        row = rng.integers(max(1, len(picture) - rows))
        column = rng.integers(max(1, picture.shape[1] - columns))
        image, frost = self.level
        covered = frost * picture[row : row + rows, column : column + columns]
        covered += image * pixels
        return covered.clip(0, 255, out=covered).astype(np.uint8)


def _pictures(folder: Path) -> tuple[np.ndarray, ...]:
    files = sorted(folder.glob("*")) if folder.is_dir() else []
    files = [file for file in files if file.suffix.lower() in SUFFIXES and file.name[0] != "."]
    if not files:
        raise ShapebiasError(f"frost: no pictures in {folder}; {WHERE}")
    return tuple(_colours(file) for file in files[:DRAWN])


def _colours(file: Path) -> np.ndarray:
    """Colours of a picture as they are stored, whatever its transparency."""
    try:
        return np.array(Image.open(file).convert("RGB"))
    except (OSError, SyntaxError, ValueError) as error:
        raise ShapebiasError(f"frost: cannot read {file} ({error}); {WHERE}") from error


def _covering(picture: np.ndarray, rows: int, columns: int) -> np.ndarray:
    """Picture enlarged, where it must be, to at least the given size."""
    scale = max(rows / picture.shape[0], columns / picture.shape[1])
    if scale <= 1:
        return picture
    size = (max(columns, round(scale * picture.shape[1])), max(rows, round(scale * len(picture))))
    return np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.BICUBIC))
