"""Time of ablating channels by number of images and by number of channels.

AlexNet at 224 × 224 with random weights, on photos, in float32 on one core. A straight line is
fitted to the CPU seconds at five sizes; deviations from it show whether the time grows linearly.
Printed are the seconds at the smallest and the largest size, R², the largest deviation and its bar.
"""

import os

import torch

from benchmarks import harness
from benchmarks.ablation import seconds
from benchmarks.dissection import network
from benchmarks.lines import BAR, fit_line
from benchmarks.photos import photos
from shapebias.networks.classifier import Classifier

ROUNDS = 2
# Multiples of the batch of `benchmarks.ablation`; channels of each layer.
IMAGES, CHANNELS = (64, 128, 192, 256, 320), (4, 8, 16, 24, 32)
# Channels of each layer while the images vary, and images while the channels vary.
FEW_CHANNELS, FEW_IMAGES = 2, 64


def run(name: str) -> None:
    """Print and write a result for images and one for channels."""
    torch.set_num_threads(1)
    print(harness.LINE.format(*harness.HEADER), flush=True)
    model, rows = network({"kind": "alexnet"}), []
    for case, sizes, pairs in (
        (f"images ({FEW_CHANNELS} channels a layer)", IMAGES, [(n, FEW_CHANNELS) for n in IMAGES]),
        (f"channels a layer ({FEW_IMAGES} images)", CHANNELS, [(FEW_IMAGES, n) for n in CHANNELS]),
    ):
        times = [fastest(model, *pair) for pair in pairs]
        row = {"name": name, "case": case, "sizes": sizes, "seconds": times} | fit_line(
            sizes, times
        )
        print(as_line(row), f"  random weights, photos, load {os.getloadavg()[0]:.1f}", flush=True)
        rows.append({**row, "weights": "random", "images": "photos"})
    harness.write(name, rows, packages=["torchvision"])


def fastest(model: Classifier, images: int, channels: int) -> float:
    """Return the fewest seconds of a few runs, for a number of images and of channels a layer."""
    pixels, sample = photos(images), {layer: range(channels) for layer in model.layers}
    return min(seconds(model, pixels, sample) for _ in range(ROUNDS))


def as_line(row: dict) -> str:
    """Return a row as a line of the table."""
    times = [f"{row['seconds'][place]:.2f} s ({row['sizes'][place]})" for place in (0, -1)]
    fit = f"R² {row['r_squared']:.4f}, deviation {row['deviation']:.1%}"
    columns = (fit, f"{BAR:.0%}", "ok" if row["ok"] else "not linear")
    return harness.LINE.format(row["name"], row["case"], *times, *columns)
