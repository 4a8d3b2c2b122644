"""Cost of silencing channels against the number of images, and against that of channels.

AlexNet at 224 × 224 with random weights, on photos, in float32 on one core. Seconds of the
processor, which other work on the machine hardly touches, are fitted by a straight line over five
sizes; the line's departures show what is not linear. The printed columns are: seconds at the
smallest and at the largest size, the share of the variance that the line explains and its largest
departure, and the bar for the departure.
"""

import os

import torch

from benchmarks import harness
from benchmarks.ablation import seconds
from benchmarks.dissection import network
from benchmarks.lines import BAR, fitted
from benchmarks.photos import photos
from shapebias.networks.classifier import Classifier

ROUNDS = 2
# Whole batches of the benchmark of ablation; channels of each layer.
IMAGES, CHANNELS = (64, 128, 192, 256, 320), (4, 8, 16, 24, 32)
# Channels of each layer while images grow; images while channels do.
FEW_CHANNELS, FEW_IMAGES = 2, 64


def run(name: str) -> None:
    """Print one line for images and one for channels, and write them as well."""
    torch.set_num_threads(1)
    print(harness.LINE.format(*harness.HEADER), flush=True)
    model, rows = network({"kind": "alexnet"}), []
    for case, sizes, pairs in (
        (f"images ({FEW_CHANNELS} channels a layer)", IMAGES, [(n, FEW_CHANNELS) for n in IMAGES]),
        (f"channels a layer ({FEW_IMAGES} images)", CHANNELS, [(FEW_IMAGES, n) for n in CHANNELS]),
    ):
        times = [fastest(model, *pair) for pair in pairs]
        row = {"name": name, "case": case, "sizes": sizes, "seconds": times} | fitted(sizes, times)
        print(as_line(row), f"  random weights, photos, load {os.getloadavg()[0]:.1f}", flush=True)
        rows.append({**row, "weights": "random", "images": "photos"})
    harness.write(name, rows, packages=["torchvision"])


def fastest(model: Classifier, images: int, channels: int) -> float:
    """Seconds for so many images and channels of each layer; the least disturbed of a few runs."""
    given, chosen = photos(images), {layer: range(channels) for layer in model.layers}
    return min(seconds(model, given, chosen) for _ in range(ROUNDS))


def as_line(row: dict) -> str:
    """A row as a line of the table."""
    times = [f"{row['seconds'][place]:.2f} s ({row['sizes'][place]})" for place in (0, -1)]
    fit = f"R² {row['explained']:.4f}, off by {row['departure']:.1%}"
    words = (fit, f"{BAR:.0%}", "ok" if row["ok"] else "short")
    return harness.LINE.format(row["name"], row["case"], *times, *words)
