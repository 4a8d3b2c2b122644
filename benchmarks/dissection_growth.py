"""Cost of dissection by the number of images and of channels: both lines are straight.

AlexNet with random weights in float32 on one core, as in the benchmark of dissection itself. A
straight line with a constant part (what is computed once; for channels the forward passes, too) is
fitted to the least time of a few rounds at each size. What is told is its largest departure, as a
share of the time at that size.
"""

import numpy as np
import torch

from benchmarks import harness
from benchmarks.dissection import dissected, labelled_images, network, row
from benchmarks.lines import BAR, fitted

ROUNDS = 5
IMAGES = (32, 64, 128, 192, 256)
PARTS, OF = (2, 4, 5, 6, 8), 8


def run(name: str) -> None:
    """Print one line an axis, and write them as well."""
    torch.set_num_threads(1)
    batches, concepts = labelled_images(max(IMAGES))
    model = network({"kind": "alexnet"})
    counts = model.channels()
    shares = {
        part * sum(counts.values()) // OF: {
            layer: range(number * part // OF) for layer, number in counts.items()
        }
        for part in PARTS
    }
    by_images, by_channels = [], []
    for _ in range(ROUNDS):
        by_images.append([seconds(model, batches, n, concepts) for n in IMAGES])
        by_channels.append(
            [seconds(model, batches, 64, concepts, channels=share) for share in shares.values()]
        )
    rows = [
        told(name, "AlexNet, images", IMAGES, by_images),
        told(name, "AlexNet, channels", list(shares), by_channels),
    ]
    harness.write(name, rows)


def seconds(model, batches, n_images: int, concepts, **settings) -> float:
    """Of the dissection with the first images."""
    some = batches[: n_images // len(batches[0].images)]
    return n_images * dissected(model, some, concepts, **settings)


def told(name: str, case: str, sizes, rounds: list[list[float]]) -> dict:
    """Print and give the fit of a line to the least times at each size."""
    times = np.array(rounds).min(axis=0)
    fit = fitted(sizes, times)
    print(
        f"{name}  {case}: "
        + ", ".join(f"{size}: {time:.2f} s" for size, time in zip(sizes, times, strict=True))
        + f"; {1e3 * fit['slope_s']:.2f} ms each and {fit['start_s']:.2f} s, "
        f"R² {fit['explained']:.4f}",
        flush=True,
    )
    found = row(name, case, "off the line", [fit["departure"]], BAR, fit["ok"])
    return {**found, **fit, "sizes": list(sizes), "seconds": times.tolist()}
