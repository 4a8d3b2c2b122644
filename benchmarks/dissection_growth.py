"""Cost of dissection by the number of images and of channels: both lines are straight.

AlexNet with random weights in float32 on one core, as in the benchmark of dissection itself. A
straight line with a constant part (what is computed once; for channels the forward passes, too) is
fitted to the least time of a few rounds at each size. What is told is the share of the variance
that it explains.
"""

import numpy as np
import torch

from benchmarks import harness
from benchmarks.dissection import dissected, labelled_images, network, row

ROUNDS, BAR = 5, 0.95
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
        fitted(name, "AlexNet, images", IMAGES, by_images),
        fitted(name, "AlexNet, channels", list(shares), by_channels),
    ]
    harness.write(name, rows)


def seconds(model, batches, n_images: int, concepts, **settings) -> float:
    """Of the dissection with the first images."""
    some = batches[: n_images // len(batches[0].images)]
    return n_images * dissected(model, some, concepts, **settings)


def fitted(name: str, case: str, sizes, rounds: list[list[float]]) -> dict:
    """Print and give the fit of a line to the times at each size."""
    sizes, times = np.array(sizes, dtype=float), np.array(rounds).min(axis=0)
    slope, constant = np.polyfit(sizes, times, 1)
    explained = float(np.corrcoef(sizes, times)[0, 1] ** 2)
    print(
        f"{name}  {case}: "
        + ", ".join(f"{size:g}: {time:.2f} s" for size, time in zip(sizes, times, strict=True))
        + f"; {1e3 * slope:.2f} ms each and {constant:.2f} s",
        flush=True,
    )
    found = row(name, case, "of the variance on a line", [explained], BAR, explained >= BAR)
    return {**found, "sizes": sizes.tolist(), "seconds": times.tolist()}
