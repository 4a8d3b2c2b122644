"""Time of every corruption and severity, compared with the package imagecorruptions."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.harness import Case
from benchmarks.photos import as_jpeg
from benchmarks.published_corruptions import load
from shapebias.io.image_codec import decode
from shapebias.plugins import build, kinds
from shapebias.stimuli.corruptions._base import SEVERITIES

PACKAGES = ("imagecorruptions", "opencv-python-headless", "scikit-image")
# Least ratios other than 1. If both sides spend their time in Pillow the ratio is 1 up to 0.03 of
# measurement error.
BARS = {"glass_blur": 5.0, "elastic_transform": 2.0, "jpeg_compression": 0.97, "pixelate": 0.97}


def cases(photos: list[Path]) -> Iterator[Case]:
    """Yield a case for each corruption and severity."""
    corrupt, pictures = load()
    pixels = decode(as_jpeg(photos[0]))
    rng = np.random.default_rng(0)
    for kind in kinds("corruptions"):
        settings = {"pictures": str(pictures)} if kind == "frost" else {}
        for severity in SEVERITIES:
            ours = build("corruptions", kind=kind, severity=severity, **settings)
            yield Case(
                case=f"{kind} {severity}",
                baseline=partial(corrupt, pixels, severity=severity, corruption_name=kind),
                ours=partial(ours, pixels, rng=rng),
                bar=BARS.get(kind, 1.0),
            )
