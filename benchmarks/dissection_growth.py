"""Time of dissection by number of images and by number of channels.

AlexNet with random weights in float32 on one core, as in `benchmarks.dissection`. A straight line
is fitted to the shortest time of a few rounds at each size; its constant part is what is computed
once (for channels including the forward passes). Printed is its largest deviation, as a fraction of
the time at that size.
"""

import numpy as np
import torch

from benchmarks import harness
from benchmarks.dissection import dissection, labelled_images, network, row
from benchmarks.lines import BAR, fit_line

ROUNDS = 5
IMAGES = (32, 64, 128, 192, 256)
PARTS, OF = (2, 4, 5, 6, 8), 8


def run(name: str) -> None:
    """Print and write a result for images and one for channels."""
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
        report(name, "AlexNet, images", IMAGES, by_images),
        report(name, "AlexNet, channels", list(shares), by_channels),
    ]
    harness.write(name, rows)


def seconds(model, batches, n_images: int, concepts, **settings) -> float:
    """Return the seconds of a dissection with the first images."""
    first_batches = batches[: n_images // len(batches[0].images)]
    return n_images * dissection(model, first_batches, concepts, **settings)


def report(name: str, case: str, sizes, rounds: list[list[float]]) -> dict:
    """Fit a line to the shortest times at each size; print and return the fit."""
    times = np.array(rounds).min(axis=0)
    fit = fit_line(sizes, times)
    print(
        f"{name}  {case}: "
        + ", ".join(f"{size}: {time:.2f} s" for size, time in zip(sizes, times, strict=True))
        + f"; {1e3 * fit['slope_s']:.2f} ms each and {fit['start_s']:.2f} s, "
        f"R² {fit['r_squared']:.4f}",
        flush=True,
    )
    result = row(name, case, "deviation from the line", [fit["deviation"]], BAR, fit["ok"])
    return {**result, **fit, "sizes": list(sizes), "seconds": times.tolist()}
