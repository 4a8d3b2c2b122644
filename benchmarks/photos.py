"""Photos to measure on."""

import io
from pathlib import Path

import matplotlib
from PIL import Image

from shapebias.decoding import decode
from shapebias.image_files import class_files

SIDE = 224
COUNT = 24


def photo_files(folder: str | None) -> list[Path]:
    """Photos spread over the class folders of a folder, or the one that ships with matplotlib."""
    if folder is None:
        return [Path(matplotlib.get_data_path(), "sample_data", "grace_hopper.jpg")]
    files = [Path(folder, name) for name in class_files(Path(folder)).files]
    return files[:: max(1, len(files) // COUNT)][:COUNT]


def as_jpeg(file: Path) -> bytes:
    """Photo brought to 224 x 224 as for ImageNet, as a JPEG file."""
    pixels = decode(file.read_bytes(), resize=256, crop=SIDE, name=str(file))
    encoded = io.BytesIO()
    Image.fromarray(pixels).save(encoded, "JPEG", quality=95)
    return encoded.getvalue()
