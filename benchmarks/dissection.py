"""Time of dissecting all named layers, compared with one forward pass.

Real architectures at 224 × 224 in float32, on one core and on a GPU if there is one, with random
weights, on photos. Label maps are 112 × 112 and similar to Broden's: 1,200 concepts, of which an
image shows about thirty. On the CPU, CPU times are measured, which hardly depend on other load.
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
from benchmarks.devices import CPU, GPU, case_on, clock, description_of, devices
from benchmarks.photos import photos
from shapebias.dissection.concept_labels import ConceptBatch
from shapebias.dissection.dissect import dissect
from shapebias.dissection.thresholds import allowed_above, selected_maps
from shapebias.dissection.top_k import PENDING, StreamingTopK
from shapebias.networks.channel_parts import channels_of_part
from shapebias.networks.classifier import Classifier
from shapebias.plugins import build

ROUNDS, MASK = 3, 112
# Settings, and the bars: most time of a dissection, in forward passes over the same images. On a
# GPU only the first has a bar.
NETWORKS = {
    "AlexNet, five layers": ({"kind": "alexnet"}, {CPU: 4.0, GPU: 2.5}),
    "GoogLeNet, twelve layers": ({"kind": "googlenet"}, {CPU: 5.0}),
    "ResNet-50, five layers": ({"kind": "resnet", "depth": 50}, {CPU: 5.0}),
}
# Images, and batch size; a GPU is not fully used with fewer.
IMAGES, BATCH = {CPU: 64, GPU: 1024}, {CPU: 32, GPU: 128}
MEMORY_BAR = 2048.0
# Images of Broden: the memory is measured for its number of thresholds.
BRODEN = 63_305
# Values of a channel that are added at a time.
CHUNK = 10_000
# Category to its number of concepts, and of those that an image shows; 0 for whole-image labels.
CATEGORIES = {
    "object": (580, 8), "part": (230, 10), "material": (30, 3), "color": (11, 8),
    "scene": (300, 0), "texture": (49, 0),
}  # fmt: skip


def run(name: str) -> None:
    """Print and write the result of each case."""
    torch.set_num_threads(1)
    rows = []
    for device in devices(name, exact=True):
        batches, concepts = labelled_images(IMAGES[device], BATCH[device], device)
        for case, (settings, bars) in NETWORKS.items():
            model = network(settings).to(device)
            # The first runs are warm-ups.
            forward(model, batches), dissection(model, batches, concepts)
            times = [(forward(model, batches), dissection(model, batches, concepts))
                     for _ in range(ROUNDS)]  # fmt: skip
            ratios, bar = [ours / plain for plain, ours in times], bars.get(device)
            ok = None if bar is None else median(ratios) <= bar
            result = row(name, case_on(device, case), "forward passes", ratios, bar, ok)
            rows.append({**result, **description_of(device)})
    for case in ("alexnet", "googlenet", "resnet"):
        # All layers in one job for the first; the largest of ten jobs for the others.
        extra = [extra_memory(case)]
        part = f"{case}, {'all layers' if case == 'alexnet' else 'part 1 of 10'}, extra memory"
        rows.append(
            row(name, f"{part} for {BRODEN} images", "MB", extra, MEMORY_BAR,
                extra[0] <= MEMORY_BAR)
        )  # fmt: skip
    harness.write(name, rows)


def row(
    name: str, case: str, unit: str, values: list[float], bar: float | None, ok: bool | None
) -> dict:
    """Print a measurement and return it as it is written; without a bar it has no verdict."""
    load = os.getloadavg()[0]
    spread = f"{median(values):.2f} ({min(values):.2f}-{max(values):.2f})"
    verdict = "no bar" if bar is None else f"bar {bar:g}  {'ok' if ok else 'missed'}"
    notes = f"{verdict}  photos, random weights, load {load:.1f}"
    print(f"{name}  {case}  {spread} {unit}  {notes}", flush=True)
    result = {"name": name, "case": case, "unit": unit, "values": values, "bar": bar, "ok": ok}
    return {**result, "load": load, "weights": "random", "images": "photos"}


def network(settings: dict) -> Classifier:
    """Return a network with random weights."""
    torch.manual_seed(0)
    return build(
        "architectures", classes=[str(number) for number in range(1000)], **settings
    ).eval()


def labelled_images(
    number: int, size: int = BATCH[CPU], device: str = CPU
) -> tuple[list[ConceptBatch], list[tuple[int, str, str]]]:
    """Return photos in batches with label maps of patches, and the concepts."""
    rng, images = np.random.default_rng(0), photos(number).to(device)
    numbers, concepts = {}, []
    for kind, (count, _) in CATEGORIES.items():
        numbers[kind] = np.arange(count) + len(concepts) + 1
        concepts += [(int(concept), f"{kind} {concept}", kind) for concept in numbers[kind]]
    batches = []
    for part in images.split(size):
        maps = {
            kind: [torch.from_numpy(np.stack([patches(numbers[kind], shown, rng) for _ in part]))]
            for kind, (_, shown) in CATEGORIES.items()
            if shown
        }
        labels = [
            [(kind, int(rng.choice(numbers[kind]))) for kind in ("scene", "texture")] for _ in part
        ]
        batches.append(ConceptBatch(part, maps, labels))
    return batches, concepts


def patches(numbers: np.ndarray, shown: int, rng: np.random.Generator) -> np.ndarray:
    """Return a label map of 8 × 8 patches: `shown` of the concepts, and unlabelled patches."""
    values = np.append(rng.choice(numbers, shown), 0)
    return np.kron(rng.choice(values, (8, 8)), np.ones((MASK // 8, MASK // 8), dtype=np.int64))


@torch.inference_mode()
def forward(model: Classifier, batches: list[ConceptBatch]) -> float:
    """Return the seconds per image of a forward pass."""
    device = model.mean.device.type
    start = clock(device)
    for batch in batches:
        model(batch.images)
    return (clock(device) - start) / sum(len(batch.images) for batch in batches)


def dissection(
    model: Classifier, batches: list[ConceptBatch], concepts: list, **settings: Any
) -> float:
    """Return the seconds per image of a dissection."""
    number, device = sum(len(batch.images) for batch in batches), model.mean.device.type
    start = clock(device)
    dissect(model, lambda: batches, concepts, n_images=number, **settings)
    return (clock(device) - start) / number


def extra_memory(kind: str) -> float:
    """Return the megabytes that dissection adds to a process after one forward pass."""
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    command = [sys.executable, __file__, kind]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return float(result.stdout)


def measure_memory(kind: str) -> None:
    """Dissect in this process and print the additional megabytes."""
    torch.set_num_threads(1)
    batches, concepts = labelled_images(IMAGES[CPU])
    model = network({"kind": kind})
    forward(model, batches)
    before = peak()
    parts = {"layer_groups": 1, "parts": 1 if kind == "alexnet" else 10}
    channels = channels_of_part(model, 0, parts)
    stores = filled_stores(model, channels)
    dissection(model, batches, concepts, channels=channels)
    print(peak() - before)
    del stores


@torch.inference_mode()
def filled_stores(model: Classifier, channels: Mapping[str, Sequence[int]]) -> list[StreamingTopK]:
    """Return the running top-k stores for Broden's thresholds, filled to their largest size.

    The 64 images of the benchmark alone would fill a small part of them.
    """
    stores = []
    for _, maps in selected_maps(model, photos(1), channels):
        number = allowed_above(0.005, BRODEN * maps[0, 0].numel()) + 1
        store = StreamingTopK([number])
        for count in (number, int(number * PENDING * 0.9)):
            # In chunks, as the values of images come.
            for start in range(0, count, CHUNK):
                width = min(CHUNK, count - start)
                # In the second round all values exceed the stored ones, so they become pending.
                store.add(torch.rand(maps.shape[1], width) + (count < number))
        stores.append(store)
    return stores


def peak() -> float:
    """Return the peak memory of this process in megabytes."""
    # The resource module's peak would include that of the parent process.
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024


if __name__ == "__main__":
    measure_memory(sys.argv[1])
