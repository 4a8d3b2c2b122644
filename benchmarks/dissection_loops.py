"""The whole dissection of AlexNet against loops over its units that only count.

Ours is all of it: two forward passes, thresholds, masks and counts. A loop is given the maps and
the thresholds, and is timed while it makes masks and counts them; the activations on disk that the
published programs write and read again are left out, so that each ratio is too small, never too
large. One unit in `STEP` is looped over, and the time multiplied.

- *units and concepts*: every unit's map is enlarged; for every concept of the set, the pixels that
  its mask of the image shares with the unit's are counted.
- *units and concepts shown*: the same over the concepts that the image shows alone.
- *NetDissect* (Bau et al. 2017): every unit's map is enlarged by a bilinear spline between the
  middles of its receptive fields, and labels are counted with NumPy's `bincount`.
- *NetDissect-Lite*: only units above their threshold somewhere are enlarged, by Pillow's resize,
  and the labels of a mask's pixels are counted with `bincount`.

The published two loop over units, not over concepts, so that the bar, which is of a loop over
both, is asked of the first alone. That the first two count the same pixels as ours is checked.
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
from benchmarks.dissection import MASK, dissected, forward, labelled_images, network, row
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
    """A unit on one image: its map, its threshold, and its layer's receptive fields."""

    map: np.ndarray
    threshold: np.float32
    fields: Fields


def run(name: str) -> None:
    """Print one line a loop, and write them as well."""
    torch.set_num_threads(1)
    batches, concepts = labelled_images(IMAGES)
    model = network({"kind": "alexnet"})
    few = first_images(batches[0], LOOPED)
    found: dict[str, list[float]] = {case: [] for case in LOOPS}
    most: dict[str, list[float]] = {case: [] for case in LOOPS}
    for _ in range(ROUNDS):
        passes = 2 * forward(model, batches)
        ours = dissected(model, batches, concepts)
        for case, count in LOOPS.items():
            loop = looped(model, few, concepts, count)[0]
            found[case].append(loop / ours)
            most[case].append(loop / passes)
    check(model, few, concepts)
    rows = []
    for case, ratios in found.items():
        bar = BAR if case == "units and concepts" else None
        ok = None if bar is None else median(ratios) >= bar
        unit = f"times, of {median(most[case]):.2f} were there nothing but two forward passes"
        rows.append(row(name, f"AlexNet, {case}", unit, ratios, bar, ok))
    harness.write(name, rows)


def first_images(batch: ConceptBatch, number: int) -> ConceptBatch:
    """The first images of a batch."""
    maps = {kind: [layer[:number] for layer in stack] for kind, stack in batch.maps.items()}
    return ConceptBatch(batch.images[:number], maps, batch.labels[:number])


def units_of(model: Classifier) -> dict[str, range]:
    """Units that are looped over, by layer."""
    return {layer: range(0, number, STEP) for layer, number in model.channels().items()}


@torch.inference_mode()
def looped(
    model: Classifier, batch: ConceptBatch, concepts: list, count: Callable
) -> tuple[float, np.ndarray]:
    """Seconds an image for all units, and the pixels that units share with concepts."""
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
        own = [
            Unit(one, threshold, fields[layer])
            for layer, maps in layers.items()
            for one, threshold in zip(maps[index], thresholds[layer][0].numpy(), strict=True)
        ]
        stacks = [stack[index].numpy() for layers in batch.maps.values() for stack in layers]
        whole = [label for _, label in batch.labels[index]]
        start = time.process_time()
        count(counts, own, np.stack(stacks), whole)
        seconds += time.process_time() - start
    return STEP * seconds / number, counts


def check(model: Classifier, batch: ConceptBatch, concepts: list) -> None:
    """Stop unless the loops over units and concepts count the same pixels as ours."""
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
        if not np.array_equal(looped(model, batch, concepts, LOOPS[case])[1], ours):
            raise ShapebiasError(f"the loop over {case} counts other pixels")


def count_all(counts: np.ndarray, units: list[Unit], stacks: np.ndarray, whole: list[int]) -> None:
    """Every unit against every concept."""
    masks = np.zeros((counts.shape[1], MASK, MASK), dtype=bool)
    for number, mask in shown_masks(stacks, whole).items():
        masks[number] = mask
    for index, unit in enumerate(units):
        mask = enlarged(unit)
        for number in range(1, len(masks)):
            counts[index, number] += np.count_nonzero(mask & masks[number])


def count_shown(
    counts: np.ndarray, units: list[Unit], stacks: np.ndarray, whole: list[int]
) -> None:
    """Every unit against every concept that the image shows."""
    masks = shown_masks(stacks, whole)
    for index, unit in enumerate(units):
        mask = enlarged(unit)
        for number, concept in masks.items():
            counts[index, number] += np.count_nonzero(mask & concept)


def count_by_spline(
    counts: np.ndarray, units: list[Unit], stacks: np.ndarray, whole: list[int]
) -> None:
    """As NetDissect counts."""
    pixels = (np.arange(MASK) + 0.5) * SIDE / MASK - 0.5
    for index, unit in enumerate(units):
        rows, columns = (
            field.centre(np.arange(length))
            for field, length in zip(unit.fields, unit.map.shape, strict=True)
        )
        spline = RectBivariateSpline(rows, columns, unit.map, kx=1, ky=1)
        tally(counts[index], spline(pixels, pixels) > unit.threshold, stacks, whole)


def count_by_resize(
    counts: np.ndarray, units: list[Unit], stacks: np.ndarray, whole: list[int]
) -> None:
    """As NetDissect-Lite counts."""
    for index, unit in enumerate(units):
        if unit.map.max() > unit.threshold:
            large = Image.fromarray(unit.map).resize((MASK, MASK), Image.Resampling.BILINEAR)
            tally(counts[index], np.asarray(large) > unit.threshold, stacks, whole)


def shown_masks(stacks: np.ndarray, whole: list[int]) -> dict[int, np.ndarray]:
    """Pixels of each concept that an image shows."""
    masks = {int(one): layer == one for layer in stacks for one in np.unique(layer) if one}
    return masks | {one: np.ones((MASK, MASK), bool) for one in whole}


def enlarged(unit: Unit) -> np.ndarray:
    """Mask of a unit."""
    excess = torch.from_numpy(unit.map - unit.threshold)[None, None]
    return functional.interpolate(excess, (MASK, MASK), mode="bilinear")[0, 0].numpy() > 0


def tally(counts: np.ndarray, mask: np.ndarray, stacks: np.ndarray, whole: list[int]) -> None:
    """Add the labels of a mask's pixels."""
    found = np.bincount(stacks[:, mask].ravel(), minlength=len(counts))
    counts[1:] += found[1:]
    for number in whole:
        counts[number] += mask.sum()


LOOPS = {
    "units and concepts": count_all,
    "units and concepts shown": count_shown,
    "NetDissect": count_by_spline,
    "NetDissect-Lite": count_by_resize,
}
