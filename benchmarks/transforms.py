"""Time of transforms from an encoded image to an encoded image, at 224 x 224 on one core.

A cheap transform must reach 300 images a second, or take little time compared with decoding and
encoding. So its baseline is decoding and encoding, and the ratio their share of the time. Black and
white is compared with the published command line, which starts three processes for each image.
"""

import os
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.harness import Case
from benchmarks.photos import as_jpeg
from shapebias.errors import ShapebiasError
from shapebias.io.image_codec import decode, encode_png
from shapebias.plugins import build

PACKAGES = ("pypotrace", "cairosvg")
CHEAP = {
    "scramble": {"patches": 4},
    "noise": {"sd": 0.08},
    "saturate": {"level": 8.0},
    "blur": {"sigma": 2.0},
}
SHARE, PER_SECOND, BLACK_AND_WHITE = 0.8, 300.0, 3.0


def cases(photos: list[Path]) -> Iterator[Case]:
    """Yield the cheap transforms, then black and white."""
    files = [as_jpeg(photo) for photo in photos]
    for kind, settings in CHEAP.items():
        transform = build("transforms", kind=kind, **settings)
        yield Case(
            case=f"{kind} (decoding and encoding)",
            baseline=partial(decode_and_encode, files, list(transformed(files, transform))),
            ours=partial(derive, files, transform),
            bar=SHARE,
            per_second=PER_SECOND,
            items=len(files),
        )
    with tempfile.TemporaryDirectory() as folder:
        yield Case(
            case="black_and_white (command line)",
            baseline=command_line(files, Path(folder)),
            ours=partial(derive, files, build("transforms", kind="black_and_white")),
            bar=BLACK_AND_WHITE,
            items=len(files),
        )


def derive(files: list[bytes], transform: Callable) -> list[bytes]:
    """Return encoded images after a transform, as the workflow makes them."""
    return [encode_png(pixels) for pixels in transformed(files, transform)]


def decode_and_encode(files: list[bytes], images: list[np.ndarray]) -> list[bytes]:
    """Decode the sources and encode transformed images, as every transform must."""
    for file in files:
        decode(file)
    return [encode_png(pixels) for pixels in images]


def transformed(files: list[bytes], transform: Callable) -> Iterator[np.ndarray]:
    """Yield the transformed pixels of encoded images."""
    rng = np.random.default_rng(0)
    return (transform(decode(file), rng=rng, label=None)[0] for file in files)


def command_line(files: list[bytes], folder: Path) -> Callable[[], None]:
    """Return the published recipe: convert to a bitmap, trace it, render the tracing."""
    convert, potrace, rsvg_convert = (
        find_program(name, product)
        for name, product in (
            ("convert", "ImageMagick"),
            ("potrace", "potrace"),
            ("rsvg-convert", "rsvg-convert"),
        )
    )
    photo, bitmap, drawing, image = (
        folder / f"one.{kind}" for kind in ("jpg", "bmp", "svg", "png")
    )

    def work() -> None:
        for file in files:
            photo.write_bytes(file)
            subprocess.run([convert, photo, bitmap], check=True)
            subprocess.run([potrace, "--svg", bitmap, "-o", drawing], check=True)
            subprocess.run([rsvg_convert, drawing, "-o", image], check=True)

    return work


def find_program(name: str, product: str) -> Path:
    """Return the first program of a name on PATH whose version output names a product."""
    for folder in os.environ.get("PATH", "").split(os.pathsep):
        path = Path(folder, name)
        if path.is_file() and os.access(path, os.X_OK):
            result = subprocess.run([path, "--version"], capture_output=True, text=True)
            if product in result.stdout:
                return path
    raise ShapebiasError(f"{name} is missing: run apt-get install imagemagick potrace librsvg2-bin")
