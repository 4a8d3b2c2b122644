"""Silencing channels one by one against a hook and a run of the whole network for each of them.

Real architectures at 224 × 224, in float32, on one core and on a graphics card where there is one,
over photos (`--photos`, best the cue-conflict stimuli), all of which count. No published weights
can be shipped, so these are random: their share of pairs of an image and a channel that is zero on
it already, and costs nothing, is told (3 to 16 % in the trained networks of the default study).

The hook's batch is the fastest of `BATCHES`. A channel costs it one pass over all images, whichever
it is. Both sides run samples of the channels of three sizes, ours the same share of every layer, in
one block; a line through the three times, and for the hook through nothing at no channels, gives
the time for all channels and `WHOLE` images, which is what is told, and its departures show that
the time grows linearly. What ours does once, and the neighbours that it runs at either end of a
block, count as they are. Ratios from two of the three sizes give the range.
"""

import os
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from itertools import combinations

import numpy as np
import torch

from benchmarks import harness
from benchmarks.devices import CARD, PROCESSOR, case_on, clock, described, devices
from benchmarks.dissection import network
from benchmarks.photos import photos
from shapebias.ablation.channels import ablate
from shapebias.networks.classifier import Classifier

# Images of the samples, which are ours' batch as well, and of which all channels are told.
IMAGES, WHOLE = {PROCESSOR: 64, CARD: 512}, 800
BATCHES = {PROCESSOR: (8, 16, 32, 64), CARD: (64, 128, 256, 512)}
# Times the smallest sample: one channel for the hook, one in so many of each layer for ours.
SIZES = (1, 2, 3)
# Settings, module after whose output the hook sits, one channel in so many, and the bars.
NETWORKS = {
    "AlexNet": ({"kind": "alexnet"}, "features.4", 32, {PROCESSOR: 5.0, CARD: 15.0}),
    "ResNet-50": ({"kind": "resnet", "depth": 50}, "layer2", 64, {PROCESSOR: 4.0, CARD: 10.0}),
    "GoogLeNet": ({"kind": "googlenet"}, "inception4a", 64, {PROCESSOR: 4.0, CARD: 10.0}),
}
# A graphics card is so much faster that samples can be larger.
LARGER = {PROCESSOR: 1, CARD: 8}


def run(name: str) -> None:
    """Print a line a network and device, and write them as well."""
    torch.set_num_threads(1)
    print(harness.LINE.format(*harness.HEADER), flush=True)
    rows = []
    for device in devices(name, exact=True):
        for case, (settings, module, step, bars) in NETWORKS.items():
            model, images = network(settings).to(device), photos(IMAGES[device]).to(device)
            found = compared(model, images, module, step // LARGER[device])
            rows.append(told(name, case_on(device, case), bars[device], *found))
            rows[-1] |= {**described(device), "weights": "random"}
            # After each, as all of them take a while.
            harness.write(name, rows, packages=["torchvision"])


def compared(
    model: Classifier, images: torch.Tensor, module: str, step: int
) -> tuple[dict, dict, dict]:
    """Channels and seconds of the samples of both sides, and what else is to be known of them."""
    counts, device = model.channels(), model.mean.device.type
    hook = partial(by_hook, model, images, module)
    # The first runs, which warm up, are apart.
    hook(BATCHES[device][0], 1)
    batch = min(BATCHES[device], key=lambda one: hook(one, 1))
    samples = [{layer: range(n // step * k) for layer, n in counts.items()} for k in SIZES]
    seconds(model, images, {layer: range(1) for layer in counts})
    sides = [], []
    for size, sample in zip(SIZES, samples, strict=True):
        sides[0].append(hook(batch, size * LARGER[device]))
        sides[1].append(seconds(model, images, sample))
    numbers = (
        [size * LARGER[device] for size in SIZES],
        [sum(map(len, s.values())) for s in samples],
    )
    baseline, ours = (
        {"channels": number, "seconds": side, "once": once, "images": len(images)}
        for number, side, once in zip(numbers, sides, (False, True), strict=True)
    )
    more = {"all_channels": sum(counts.values()), "hook_batch": batch, "dead": dead(model, images)}
    return baseline, ours, more


def told(name: str, case: str, bar: float, baseline: dict, ours: dict, more: dict) -> dict:
    """Print what all channels on all images take by the samples, and give it as it is written."""
    number = more["all_channels"]
    whole = [extrapolated(side, number) for side in (baseline, ours)]
    pairs = list(combinations(range(len(SIZES)), 2))
    ratios = [
        extrapolated(baseline, number, pair) / extrapolated(ours, number, pair) for pair in pairs
    ]
    per_pair = [1e3 * seconds / number / WHOLE for seconds in whole]
    result = harness.Result(
        name=name, case=f"{case}, {number:,} channels", baseline_ms=per_pair[0],
        ours_ms=per_pair[1], ratio=whole[0] / whole[1], ratio_low=min(ratios),
        ratio_high=max(ratios), bar=bar, per_second=None, ok=whole[0] / whole[1] >= bar,
    )  # fmt: skip
    off = [departure(side) for side in (baseline, ours)]
    load = os.getloadavg()[0]
    print(harness.as_line(result), flush=True)
    print(
        f"    {number:,} channels x {WHOLE} images, extrapolated: {whole[0] / 3600:.2f} h against "
        f"{whole[1] / 3600:.2f} h; samples of {ours['channels']} channels x {ours['images']} "
        f"images, off a line by {off[1]:.1%} (hook, in batches of {more['hook_batch']}: "
        f"{off[0]:.1%}); random weights, {more['dead']:.1%} of pairs dead, load {load:.1f}",
        flush=True,
    )
    found = {"baseline": baseline, "ours": ours, "departures": off, "load": load}
    return {**asdict(result), **found, **more}


def extrapolated(side: dict, number: int, places: Sequence[int] = range(len(SIZES))) -> float:
    """Seconds for so many channels on all images, by a line through some of the samples."""
    channels, times = (np.array(side[key])[list(places)] for key in ("channels", "seconds"))
    return float(line(channels, times, side["once"])(number)) * WHOLE / side["images"]


def departure(side: dict) -> float:
    """Largest departure of a sample from the line, as a share of its time."""
    channels, times = (np.array(side[key]) for key in ("channels", "seconds"))
    return float(np.abs(times / line(channels, times, side["once"])(channels) - 1).max())


def line(channels: np.ndarray, times: np.ndarray, once: bool) -> Callable:
    """Straight line through the times, with what is done `once` or proportional."""
    if once:
        return np.poly1d(np.polyfit(channels, times, 1))
    return np.poly1d([(channels @ times) / (channels @ channels), 0])


@torch.inference_mode()
def by_hook(
    model: Classifier, images: torch.Tensor, module: str, batch: int, channels: int
) -> float:
    """Seconds for so many channels; the whole network runs, so the layer does not matter."""
    layer, device = model.network.get_submodule(module), images.device.type
    start = clock(device)
    for channel in range(channels):
        with hooked(layer, partial(silence, channel)):
            for part in images.split(batch):
                model.network((part - model.mean) / model.std).argmax(dim=1)
    return clock(device) - start


@contextmanager
def hooked(module: torch.nn.Module, hook: Callable):
    """A hook that is gone afterwards."""
    handle = module.register_forward_hook(hook)
    try:
        yield
    finally:
        handle.remove()


def silence(channel: int, module: object, inputs: object, output: torch.Tensor) -> None:
    """Forward hook that sets a channel to zero."""
    output[:, channel] = 0.0


@torch.inference_mode()
def seconds(model: Classifier, images: torch.Tensor, channels: dict[str, range]) -> float:
    """Seconds of everything that `ablate` does, where all images count."""
    device = images.device.type
    batch = IMAGES[device]
    decided = [
        model.classes[number] for part in images.split(batch) for number in model(part).argmax(1)
    ]
    others = [model.classes[model.classes.index(name) - 1] for name in decided]
    ids = [str(number) for number in range(len(images))]
    start = clock(device)
    ablate(model, images, ids, decided, others, channels=channels, batch=batch)
    return clock(device) - start


@torch.inference_mode()
def dead(model: Classifier, images: torch.Tensor) -> float:
    """Share of pairs of an image and a channel that is zero on it."""
    maps = [maps for _, maps in model.walk(images)]
    zero = [(one == 0).flatten(2).all(dim=2) for one in maps]
    return float(torch.cat(zero, dim=1).float().mean())
