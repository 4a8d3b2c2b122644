"""Photos for the benchmarks."""

import io
import os
from pathlib import Path

import matplotlib
import numpy as np
import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from shapebias.io.image_codec import decode
from shapebias.stimuli.image_folders import class_files

SIDE = 224
COUNT = 24


def photo_files(folder: str | None, count: int = COUNT) -> list[Path]:
    """Return photos from all class folders of a folder, or the photo in matplotlib."""
    if folder is None:
        return [Path(matplotlib.get_data_path(), "sample_data", "grace_hopper.jpg")]
    files = [Path(folder, name) for name in class_files(Path(folder)).files]
    return files[:: max(1, len(files) // count)][:count]


def photos(number: int) -> Float[Tensor, "image 3 row column"]:
    """Return different photos, values in [0, 1], or random crops if the folder has fewer photos.

    Like in a job, the tensor is contiguous.
    """
    files, rng = photo_files(os.environ.get("SHAPEBIAS_PHOTOS"), number), np.random.default_rng(0)
    if len(files) == number:
        pixels = [
            decode(file.read_bytes(), resize=256, crop=SIDE, name=str(file)) for file in files
        ]
    else:
        pixels = [crop(files[index % len(files)], rng) for index in range(number)]
    return torch.from_numpy(np.stack(pixels)).permute(0, 3, 1, 2).contiguous().float() / 255


def crop(path: Path, rng: np.random.Generator) -> np.ndarray:
    """Return a square crop of a photo at a random position and scale."""
    with Image.open(path) as photo:
        side = int(min(photo.size) * rng.uniform(0.2, 1))
        left, top = (int(rng.integers(0, length - side + 1)) for length in photo.size)
        box = (left, top, left + side, top + side)
        return np.asarray(photo.convert("RGB").resize((SIDE, SIDE), box=box))


def as_jpeg(file: Path) -> bytes:
    """Return a photo as a JPEG file, resized and cropped to 224 x 224 as for ImageNet."""
    pixels = decode(file.read_bytes(), resize=256, crop=SIDE, name=str(file))
    encoded = io.BytesIO()
    Image.fromarray(pixels).save(encoded, "JPEG", quality=95)
    return encoded.getvalue()
