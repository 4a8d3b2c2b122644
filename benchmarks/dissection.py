"""Dissection of all named layers against one forward pass.

Real architectures at 224 × 224 in float32, on one core and on a graphics card where there is one,
with random weights; images are photos, which lie in memory as a job has them; label maps are
112 × 112 and look like Broden's: 1,200 concepts, of which an image shows some thirty. On the
processor times are of it, so that other processes on the machine count less.
"""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch

from benchmarks import harness
from benchmarks.devices import CARD, PROCESSOR, case_on, clock, described, devices
from benchmarks.photos import photos
from shapebias.dissection.concept_labels import ConceptBatch
from shapebias.dissection.dissect import dissect
from shapebias.dissection.thresholds import allowed_above, selected_maps
from shapebias.dissection.top_k import PENDING, StreamingTopK
from shapebias.networks.channel_parts import channels_of_part
from shapebias.networks.classifier import Classifier
from shapebias.plugins import build

ROUNDS, MASK = 3, 112
# Settings, and the bars: dissection in forward passes over the same images. On a graphics card
# there is one for the first alone.
NETWORKS = {
    "AlexNet, five layers": ({"kind": "alexnet"}, {PROCESSOR: 4.0, CARD: 2.5}),
    "GoogLeNet, twelve layers": ({"kind": "googlenet"}, {PROCESSOR: 5.0}),
    "ResNet-50, five layers": ({"kind": "resnet", "depth": 50}, {PROCESSOR: 5.0}),
}
# Images, and of them in a batch; a card is not busy with fewer.
IMAGES, BATCH = {PROCESSOR: 64, CARD: 1024}, {PROCESSOR: 32, CARD: 128}
MEMORY_BAR = 2048.0
# Images of Broden, for whose thresholds the memory is measured.
BRODEN = 63_305
# Values of a channel that come at a time.
PIECE = 10_000
# Category to the number of its concepts, and of those that an image shows; 0 labels the image.
KINDS = {
    "object": (580, 8), "part": (230, 10), "material": (30, 3), "color": (11, 8),
    "scene": (300, 0), "texture": (49, 0),
}  # fmt: skip


def run(name: str) -> None:
    """Print one line a case, and write them as well."""
    torch.set_num_threads(1)
    rows = []
    for device in devices(name, exact=True):
        batches, concepts = labelled_images(IMAGES[device], BATCH[device], device)
        for case, (settings, bars) in NETWORKS.items():
            model = network(settings).to(device)
            # The first runs, which warm up, are apart.
            forward(model, batches), dissected(model, batches, concepts)
            times = [(forward(model, batches), dissected(model, batches, concepts))
                     for _ in range(ROUNDS)]  # fmt: skip
            ratios, bar = [ours / plain for plain, ours in times], bars.get(device)
            ok = None if bar is None else median(ratios) <= bar
            found = row(name, case_on(device, case), "forward passes", ratios, bar, ok)
            rows.append({**found, **described(device)})
    for case in ("alexnet", "googlenet", "resnet"):
        # All layers in one job for the first; the largest of ten jobs for the others.
        extra = [extra_memory(case)]
        words = f"{case}, {'all layers' if case == 'alexnet' else 'part 1 of 10'}, extra memory"
        rows.append(
            row(name, f"{words} for {BRODEN} images", "MB", extra, MEMORY_BAR,
                extra[0] <= MEMORY_BAR)
        )  # fmt: skip
    harness.write(name, rows)


def row(
    name: str, case: str, unit: str, values: list[float], bar: float | None, ok: bool | None
) -> dict:
    """Print a measurement, and give it as it is written; without a bar it is told, not judged."""
    load = os.getloadavg()[0]
    spread = f"{median(values):.2f} ({min(values):.2f}-{max(values):.2f})"
    verdict = "no bar" if bar is None else f"bar {bar:g}  {'ok' if ok else 'short'}"
    said = f"{verdict}  photos, random weights, load {load:.1f}"
    print(f"{name}  {case}  {spread} {unit}  {said}", flush=True)
    found = {"name": name, "case": case, "unit": unit, "values": values, "bar": bar, "ok": ok}
    return {**found, "load": load, "weights": "random", "images": "photos"}


def network(settings: dict) -> Classifier:
    """Network with random weights."""
    torch.manual_seed(0)
    return build(
        "architectures", classes=[str(number) for number in range(1000)], **settings
    ).eval()


def labelled_images(
    number: int, size: int = BATCH[PROCESSOR], device: str = PROCESSOR
) -> tuple[list[ConceptBatch], list[tuple[int, str, str]]]:
    """Photos in batches, with label maps of patches; and the concepts."""
    rng, images = np.random.default_rng(0), photos(number).to(device)
    numbers, concepts = {}, []
    for kind, (count, _) in KINDS.items():
        numbers[kind] = np.arange(count) + len(concepts) + 1
        concepts += [(int(one), f"{kind} {one}", kind) for one in numbers[kind]]
    batches = []
    for some in images.split(size):
        maps = {
            kind: [torch.from_numpy(np.stack([patches(numbers[kind], shown, rng) for _ in some]))]
            for kind, (_, shown) in KINDS.items()
            if shown
        }
        labels = [
            [(kind, int(rng.choice(numbers[kind]))) for kind in ("scene", "texture")] for _ in some
        ]
        batches.append(ConceptBatch(some, maps, labels))
    return batches, concepts


def patches(numbers: np.ndarray, shown: int, rng: np.random.Generator) -> np.ndarray:
    """Label map of eight by eight patches with some of the concepts, and with gaps."""
    chosen = np.append(rng.choice(numbers, shown), 0)
    return np.kron(rng.choice(chosen, (8, 8)), np.ones((MASK // 8, MASK // 8), dtype=np.int64))


@torch.inference_mode()
def forward(model: Classifier, batches: list[ConceptBatch]) -> float:
    """Seconds an image of one plain pass."""
    device = model.mean.device.type
    start = clock(device)
    for batch in batches:
        model(batch.images)
    return (clock(device) - start) / sum(len(batch.images) for batch in batches)


def dissected(
    model: Classifier, batches: list[ConceptBatch], concepts: list, **settings: Any
) -> float:
    """Seconds an image of the whole dissection."""
    number, device = sum(len(batch.images) for batch in batches), model.mean.device.type
    start = clock(device)
    dissect(model, lambda: batches, concepts, n_images=number, **settings)
    return (clock(device) - start) / number


def extra_memory(kind: str) -> float:
    """Megabytes that dissection adds to the memory of a process after one forward pass."""
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    command = [sys.executable, __file__, kind]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return float(done.stdout)


def measure_memory(kind: str) -> None:
    """Print it, for this process."""
    torch.set_num_threads(1)
    batches, concepts = labelled_images(IMAGES[PROCESSOR])
    model = network({"kind": kind})
    forward(model, batches)
    before = peak()
    parts = {"layer_groups": 1, "parts": 1 if kind == "alexnet" else 10}
    channels = channels_of_part(model, 0, parts)
    held = filled_store(model, channels)
    dissected(model, batches, concepts, channels=channels)
    print(peak() - before)
    del held


@torch.inference_mode()
def filled_store(model: Classifier, channels: Mapping[str, Sequence[int]]) -> list[StreamingTopK]:
    """Stores of Broden's thresholds, full, with as many values waiting as ever do.

    What the 64 images put into stores of their own is far less than that.
    """
    stores = []
    for _, maps in selected_maps(model, photos(1), channels):
        number = allowed_above(0.005, BRODEN * maps[0, 0].numel()) + 1
        store = StreamingTopK([number])
        for piece in (number, int(number * PENDING * 0.9)):
            # By blocks of columns, as images come.
            for start in range(0, piece, PIECE):
                width = min(PIECE, piece - start)
                # In the second round all are above what is kept, so that they wait.
                store.add(torch.rand(maps.shape[1], width) + (piece < number))
        stores.append(store)
    return stores


def peak() -> float:
    """Largest memory of this process so far, in megabytes."""
    # Not the resource module's: that begins with the memory of the process that started this one.
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024


if __name__ == "__main__":
    measure_memory(sys.argv[1])
