"""Time of dissecting AlexNet, compared with loops over its units.

Our time is that of the whole dissection: two forward passes, thresholds, masks and counts. The time
of a loop is only that of masks and counts, with activation maps and thresholds given. As the
published programs also write activations to disk and read them, each ratio is a lower bound. The
loops run over one unit in `STEP`, and their time is multiplied.

- *units and concepts*: each unit's map is upsampled; for every concept of the set, the pixels that
  its mask shares with the unit's mask are counted.
- *units and concepts shown*: the same, only for concepts that the image shows.
- *NetDissect* (Bau et al. 2017): each unit's map is upsampled by a bilinear spline between the
  centres of its receptive fields, and labels are counted with NumPy's `bincount`.
- *NetDissect-Lite*: only units that exceed their threshold somewhere are upsampled, by Pillow's
  resize, and the labels of a mask's pixels are counted with `bincount`.

Only the first has a bar, since the published programs loop over units and not over concepts. The
benchmark checks that the first two count the same pixels as ours.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

import numpy as np
import torch
from PIL import Image
from scipy.interpolate import RectBivariateSpline
from torch.nn import functional

from benchmarks import harness
from benchmarks.dissection import MASK, dissection, forward, labelled_images, network, row
from benchmarks.photos import SIDE
from shapebias.dissection.concept_labels import ConceptBatch
from shapebias.dissection.dissect import dissect
from shapebias.dissection.thresholds import Thresholds, selected_maps
from shapebias.errors import ShapebiasError
from shapebias.networks.classifier import Classifier
from shapebias.networks.receptive_fields import Fields, receptive_fields

ROUNDS, IMAGES, LOOPED, STEP, BAR = 3, 128, 8, 16, 50.0


@dataclass(frozen=True)
class Unit:
    """A unit on one image: its activation map, threshold, and layer's receptive fields."""

    map: np.ndarray
    threshold: np.float32
    fields: Fields


def run(name: str) -> None:
    """Print and write the result of each loop."""
    torch.set_num_threads(1)
    batches, concepts = labelled_images(IMAGES)
    model = network({"kind": "alexnet"})
    images = first_images(batches[0], LOOPED)
    ratios: dict[str, list[float]] = {case: [] for case in LOOPS}
    ratios_to_passes: dict[str, list[float]] = {case: [] for case in LOOPS}
    for _ in range(ROUNDS):
        passes = 2 * forward(model, batches)
        ours = dissection(model, batches, concepts)
        for case, count in LOOPS.items():
            loop = run_loop(model, images, concepts, count)[0]
            ratios[case].append(loop / ours)
            ratios_to_passes[case].append(loop / passes)
    check(model, images, concepts)
    rows = []
    for case, values in ratios.items():
        bar = BAR if case == "units and concepts" else None
        ok = None if bar is None else median(values) >= bar
        unit = f"times, and {median(ratios_to_passes[case]):.2f} times two forward passes"
        rows.append(row(name, f"AlexNet, {case}", unit, values, bar, ok))
    harness.write(name, rows)


def first_images(batch: ConceptBatch, number: int) -> ConceptBatch:
    """Return the first images of a batch."""
    maps = {kind: [layer[:number] for layer in stack] for kind, stack in batch.maps.items()}
    return ConceptBatch(batch.images[:number], maps, batch.labels[:number])


def units_of(model: Classifier) -> dict[str, range]:
    """Return the units of the loops, by layer."""
    return {layer: range(0, number, STEP) for layer, number in model.channels().items()}


@torch.inference_mode()
def run_loop(
    model: Classifier, batch: ConceptBatch, concepts: list, count: Callable
) -> tuple[float, np.ndarray]:
    """Return the seconds per image for all units, and the pixels that units share with concepts."""
    units, number = units_of(model), len(batch.images)
    thresholds = {}
    for layer, maps in selected_maps(model, batch.images, units):
        statistic = Thresholds(number, [0.005])
        statistic.add(maps)
        thresholds[layer] = statistic.result()
    fields = receptive_fields(model, (SIDE, SIDE))
    layers = {layer: maps[:, ::STEP].numpy() for layer, maps in model.walk(batch.images)}
    counts = np.zeros((sum(map(len, units.values())), len(concepts) + 1), dtype=np.int64)
    seconds = 0.0
    for index in range(number):
        image_units = [
            Unit(unit_map, threshold, fields[layer])
            for layer, maps in layers.items()
            for unit_map, threshold in zip(maps[index], thresholds[layer][0].numpy(), strict=True)
        ]
        stacks = [stack[index].numpy() for layers in batch.maps.values() for stack in layers]
        image_labels = [label for _, label in batch.labels[index]]
        start = time.process_time()
        count(counts, image_units, np.stack(stacks), image_labels)
        seconds += time.process_time() - start
    return STEP * seconds / number, counts


def check(model: Classifier, batch: ConceptBatch, concepts: list) -> None:
    """Raise `ShapebiasError` if a loop over units and concepts counts other pixels than ours."""
    units = units_of(model)
    overlaps = dissect(model, lambda: [batch], concepts, channels=units).overlaps
    order = [(layer, channel) for layer, channels in units.items() for channel in channels]
    rows = {unit: index for index, unit in enumerate(order)}
    numbers = {name: number for number, name, _ in concepts}
    ours = np.zeros((len(order), len(concepts) + 1), dtype=np.int64)
    for layer, channel, concept, shared in overlaps[
        ["layer", "channel", "concept", "intersection"]
    ].itertuples(index=False):
        ours[rows[layer, channel], numbers[concept]] = shared
    for case in ("units and concepts", "units and concepts shown"):
        if not np.array_equal(run_loop(model, batch, concepts, LOOPS[case])[1], ours):
            raise ShapebiasError(f"the loop over {case} counts other pixels than dissection")


def count_all(
    counts: np.ndarray, units: list[Unit], stacks: np.ndarray, image_labels: list[int]
) -> None:
    """Count the pixels that every unit shares with every concept."""
    masks = np.zeros((counts.shape[1], MASK, MASK), dtype=bool)
    for number, mask in shown_masks(stacks, image_labels).items():
        masks[number] = mask
    for index, unit in enumerate(units):
        mask = mask_of(unit)
        for number in range(1, len(masks)):
            counts[index, number] += np.count_nonzero(mask & masks[number])


def count_shown(
    counts: np.ndarray, units: list[Unit], stacks: np.ndarray, image_labels: list[int]
) -> None:
    """Count the pixels that every unit shares with every concept that the image shows."""
    masks = shown_masks(stacks, image_labels)
    for index, unit in enumerate(units):
        mask = mask_of(unit)
        for number, concept in masks.items():
            counts[index, number] += np.count_nonzero(mask & concept)


def count_by_spline(
    counts: np.ndarray, units: list[Unit], stacks: np.ndarray, image_labels: list[int]
) -> None:
    """Count as NetDissect does."""
    pixels = (np.arange(MASK) + 0.5) * SIDE / MASK - 0.5
    for index, unit in enumerate(units):
        rows, columns = (
            field.centre(np.arange(length))
            for field, length in zip(unit.fields, unit.map.shape, strict=True)
        )
        spline = RectBivariateSpline(rows, columns, unit.map, kx=1, ky=1)
        add_labels(counts[index], spline(pixels, pixels) > unit.threshold, stacks, image_labels)


def count_by_resize(
    counts: np.ndarray, units: list[Unit], stacks: np.ndarray, image_labels: list[int]
) -> None:
    """Count as NetDissect-Lite does."""
    for index, unit in enumerate(units):
        if unit.map.max() > unit.threshold:
            large = Image.fromarray(unit.map).resize((MASK, MASK), Image.Resampling.BILINEAR)
            add_labels(counts[index], np.asarray(large) > unit.threshold, stacks, image_labels)


def shown_masks(stacks: np.ndarray, image_labels: list[int]) -> dict[int, np.ndarray]:
    """Return the mask of each concept that an image shows."""
    masks = {int(label): layer == label for layer in stacks for label in np.unique(layer) if label}
    return masks | {label: np.ones((MASK, MASK), bool) for label in image_labels}


def mask_of(unit: Unit) -> np.ndarray:
    """Return the upsampled mask of a unit."""
    excess = torch.from_numpy(unit.map - unit.threshold)[None, None]
    return functional.interpolate(excess, (MASK, MASK), mode="bilinear")[0, 0].numpy() > 0


def add_labels(
    counts: np.ndarray, mask: np.ndarray, stacks: np.ndarray, image_labels: list[int]
) -> None:
    """Add the labels of a mask's pixels to the counts."""
    numbers = np.bincount(stacks[:, mask].ravel(), minlength=len(counts))
    counts[1:] += numbers[1:]
    for number in image_labels:
        counts[number] += mask.sum()


LOOPS = {
    "units and concepts": count_all,
    "units and concepts shown": count_shown,
    "NetDissect": count_by_spline,
    "NetDissect-Lite": count_by_resize,
}
