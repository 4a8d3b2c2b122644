"""Frost: photos of ice crystals blended with the image."""

from functools import cached_property
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from shapebias.errors import ShapebiasError
from shapebias.plugins import FilePath, plugin
from shapebias.stimuli.corruptions._base import Corruption
from shapebias.stimuli.image_folders import SUFFIXES

# The published code draws from the first five of its six pictures.
N_PICTURES = 5
WHERE = (
    "frost1.png ... frost6.jpg are in ImageNet-C/imagenet_c/imagenet_c/frost of"
    " github.com/hendrycks/robustness, and in the Python package imagecorruptions"
)


@plugin
class Frost(Corruption):
    """Weighted sum of the image and a random crop of a random picture of frost.

    `LEVELS` are the weights of the image and of the frost.

    Parameters
    ----------
    pictures
        Folder of pictures of frost. The first five in alphabetical order are used: the published
        ones if the folder holds the published files.

    Raises
    ------
    ShapebiasError
        If the folder does not exist or contains no picture; the message names a source.
    """

    LEVELS = ((1, 0.4), (0.8, 0.6), (0.7, 0.7), (0.65, 0.7), (0.6, 0.75))

    pictures: FilePath

    def __post_init__(self):
        super().__post_init__()
        # Reading the pictures now reports a wrong folder before the first image.
        _ = self.images

    @cached_property
    def images(self) -> tuple[UInt8[np.ndarray, "_ _ 3"], ...]:
        """Pictures of frost, of any sizes."""
        folder = Path(self.pictures)
        files = sorted(folder.glob("*")) if folder.is_dir() else []
        files = [file for file in files if file.suffix.lower() in SUFFIXES and file.name[0] != "."]
        if not files:
            raise ShapebiasError(f"frost: no pictures in {folder}; {WHERE}")
        return tuple(_read_picture(file) for file in files[:N_PICTURES])

    def __call__(
        self, pixels: UInt8[np.ndarray, "row column 3"], *, rng: np.random.Generator
    ) -> UInt8[np.ndarray, "row column 3"]:
        """Add frost to an image; a picture smaller than the image is enlarged to cover it."""
        rows, columns, _ = pixels.shape
        picture = _enlarged(self.images[rng.integers(len(self.images))], rows, columns)
        # As published, the last possible offset is never drawn.
        row = rng.integers(max(1, len(picture) - rows))
        column = rng.integers(max(1, picture.shape[1] - columns))
        image_weight, frost_weight = self.level
        frosted = frost_weight * picture[row : row + rows, column : column + columns]
        frosted += image_weight * pixels
        return frosted.clip(0, 255, out=frosted).astype(np.uint8)


def _read_picture(file: Path) -> UInt8[np.ndarray, "row column 3"]:
    """Read the colours of a picture; transparency is ignored."""
    try:
        return np.array(Image.open(file).convert("RGB"))
    except (OSError, SyntaxError, ValueError) as error:
        raise ShapebiasError(f"frost: cannot read {file} ({error}); {WHERE}") from error


def _enlarged(
    picture: UInt8[np.ndarray, "_ _ 3"], rows: int, columns: int
) -> UInt8[np.ndarray, "_ _ 3"]:
    """Enlarge a picture, where necessary, to at least the given size."""
    scale = max(rows / picture.shape[0], columns / picture.shape[1])
    if scale <= 1:
        return picture
    size = (max(columns, round(scale * picture.shape[1])), max(rows, round(scale * len(picture))))
    return np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.BICUBIC))
