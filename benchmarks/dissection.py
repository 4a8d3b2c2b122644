"""Dissection of all named layers against one forward pass.

Real architectures at 224 × 224 in float32 on one core, with random weights; images are crops of
photos; label maps are 112 × 112 and look like Broden's: 1,200 concepts, of which an image shows
some thirty. Times are of the processor, so that other processes on the machine count less.
"""

import os
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from PIL import Image

from benchmarks import harness
from benchmarks.photos import photo_files
from shapebias.classifier import Classifier
from shapebias.concept_labels import ConceptBatch
from shapebias.dissection import dissect
from shapebias.plugins import build

ROUNDS, IMAGES, BATCH, SIDE, MASK = 3, 64, 32, 224, 112
# Settings, and the bar: dissection in forward passes over the same images.
NETWORKS = {
    "AlexNet, five layers": ({"kind": "alexnet"}, 4.0),
    "GoogLeNet, twelve layers": ({"kind": "googlenet"}, 5.0),
    "ResNet-50, five layers": ({"kind": "resnet", "depth": 50}, 5.0),
}
MEMORY_BAR = 2048.0
# Category to the number of its concepts, and of those that an image shows; 0 labels the image.
KINDS = {
    "object": (580, 8), "part": (230, 10), "material": (30, 3), "color": (11, 8),
    "scene": (300, 0), "texture": (49, 0),
}  # fmt: skip


def run(name: str) -> None:
    """Print one line a case, and write them as well."""
    torch.set_num_threads(1)
    batches, concepts = labelled_images(IMAGES)
    rows = []
    for case, (settings, bar) in NETWORKS.items():
        model = network(settings)
        times = [(forward(model, batches), dissected(model, batches, concepts))
                 for _ in range(ROUNDS)]  # fmt: skip
        ratios = [ours / plain for plain, ours in times]
        rows.append(row(name, case, "forward passes", ratios, bar, median(ratios) <= bar))
    for case in ("alexnet", "resnet"):
        extra = [extra_memory(case)]
        rows.append(row(name, f"{case}, extra memory", "MB", extra, MEMORY_BAR,
                        extra[0] <= MEMORY_BAR))  # fmt: skip
    harness.write(name, rows)


def row(
    name: str, case: str, unit: str, values: list[float], bar: float | None, ok: bool | None
) -> dict:
    """Print a measurement, and give it as it is written; without a bar it is told, not judged."""
    load = os.getloadavg()[0]
    spread = f"{median(values):.2f} ({min(values):.2f}-{max(values):.2f})"
    verdict = "no bar" if bar is None else f"bar {bar:g}  {'ok' if ok else 'short'}"
    print(f"{name}  {case}  {spread} {unit}  {verdict}  load {load:.1f}", flush=True)
    found = {"name": name, "case": case, "unit": unit, "values": values, "bar": bar, "ok": ok}
    return {**found, "load": load, "weights": "random"}


def network(settings: dict) -> Classifier:
    """Network with random weights."""
    torch.manual_seed(0)
    return build("models", classes=[str(number) for number in range(1000)], **settings).eval()


def labelled_images(number: int) -> tuple[list[ConceptBatch], list[tuple[int, str, str]]]:
    """Crops of photos in batches, with label maps of patches; and the concepts."""
    rng = np.random.default_rng(0)
    photos = photo_files(os.environ.get("SHAPEBIAS_PHOTOS"))
    images = [crop(photos[index % len(photos)], rng) for index in range(number)]
    numbers, concepts = {}, []
    for kind, (count, _) in KINDS.items():
        numbers[kind] = np.arange(count) + len(concepts) + 1
        concepts += [(int(one), f"{kind} {one}", kind) for one in numbers[kind]]
    batches = []
    for start in range(0, number, BATCH):
        group = range(start, min(start + BATCH, number))
        maps = {
            kind: [torch.from_numpy(np.stack([patches(numbers[kind], shown, rng) for _ in group]))]
            for kind, (_, shown) in KINDS.items()
            if shown
        }
        labels = [
            [(kind, int(rng.choice(numbers[kind]))) for kind in ("scene", "texture")] for _ in group
        ]
        pixels = torch.from_numpy(np.stack([images[index] for index in group]))
        batches.append(ConceptBatch(pixels.permute(0, 3, 1, 2).float() / 255, maps, labels))
    return batches, concepts


def crop(path: Path, rng: np.random.Generator) -> np.ndarray:
    """Square of a photo at a random place and scale."""
    with Image.open(path) as photo:
        side = int(min(photo.size) * rng.uniform(0.2, 1))
        left, top = (int(rng.integers(0, length - side + 1)) for length in photo.size)
        box = (left, top, left + side, top + side)
        return np.asarray(photo.convert("RGB").resize((SIDE, SIDE), box=box))


def patches(numbers: np.ndarray, shown: int, rng: np.random.Generator) -> np.ndarray:
    """Label map of eight by eight patches with some of the concepts, and with gaps."""
    chosen = np.append(rng.choice(numbers, shown), 0)
    return np.kron(rng.choice(chosen, (8, 8)), np.ones((MASK // 8, MASK // 8), dtype=np.int64))


@torch.inference_mode()
def forward(model: Classifier, batches: list[ConceptBatch]) -> float:
    """Seconds an image of one plain pass."""
    start = time.process_time()
    for batch in batches:
        model(batch.images)
    return (time.process_time() - start) / sum(len(batch.images) for batch in batches)


def dissected(
    model: Classifier, batches: list[ConceptBatch], concepts: list, **settings: Any
) -> float:
    """Seconds an image of the whole dissection."""
    number = sum(len(batch.images) for batch in batches)
    start = time.process_time()
    dissect(model, lambda: batches, concepts, n_images=number, **settings)
    return (time.process_time() - start) / number


def extra_memory(kind: str) -> float:
    """Megabytes that dissection adds to the memory of a process after one forward pass."""
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    command = [sys.executable, __file__, kind]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return float(done.stdout)


def measure_memory(kind: str) -> None:
    """Print it, for this process."""
    torch.set_num_threads(1)
    batches, concepts = labelled_images(IMAGES)
    model = network({"kind": kind})
    forward(model, batches)
    before = peak()
    dissected(model, batches, concepts)
    print(peak() - before)


def peak() -> float:
    """Largest memory of this process so far, in megabytes."""
    # Not the resource module's: that begins with the memory of the process that started this one.
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024


if __name__ == "__main__":
    measure_memory(sys.argv[1])
