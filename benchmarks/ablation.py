"""Time of ablating channels one by one, compared with a forward hook on the whole network.

Real architectures at 224 × 224, in float32, on one core and on a GPU if there is one, over photos
(`--photos`, best the cue-conflict stimuli). The weights are random, since no published ones can be
shipped. A channel that is already zero on an image costs nothing; the share of such pairs of image
and channel is printed (3 to 16 % in the trained networks of the default study).

The hook uses the fastest batch size of `BATCHES`; each channel costs it one pass over all images.
Both sides ablate samples of channels of three sizes; ours takes a block of the same share of every
layer. A straight line through the three times (for the hook through the origin) gives the time for
all channels and `N_IMAGES` images, which is printed; deviations from the line show whether the time
grows linearly. The range of the ratio is that over two of the three sizes.
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
from benchmarks.devices import CPU, GPU, case_on, clock, description_of, devices
from benchmarks.dissection import network
from benchmarks.photos import photos
from shapebias.ablation.channels import ablate
from shapebias.networks.classifier import Classifier

# Images of the samples, which are also our batch size, and images of the extrapolation.
IMAGES, N_IMAGES = {CPU: 64, GPU: 512}, 800
BATCHES = {CPU: (8, 16, 32, 64), GPU: (64, 128, 256, 512)}
# Multiples of the smallest sample: one channel for the hook, one in `step` of each layer for ours.
SIZES = (1, 2, 3)
# Settings, module with the hook, step between sampled channels, and the bars.
NETWORKS = {
    "AlexNet": ({"kind": "alexnet"}, "features.4", 32, {CPU: 5.0, GPU: 15.0}),
    "ResNet-50": ({"kind": "resnet", "depth": 50}, "layer2", 64, {CPU: 4.0, GPU: 10.0}),
    "GoogLeNet": ({"kind": "googlenet"}, "inception4a", 64, {CPU: 4.0, GPU: 10.0}),
}
# Factor of the samples: a GPU is faster and needs larger ones.
SAMPLE_FACTOR = {CPU: 1, GPU: 8}


def run(name: str) -> None:
    """Print and write the result of each network and device."""
    torch.set_num_threads(1)
    print(harness.LINE.format(*harness.HEADER), flush=True)
    rows = []
    for device in devices(name, exact=True):
        for case, (settings, module, step, bars) in NETWORKS.items():
            model, images = network(settings).to(device), photos(IMAGES[device]).to(device)
            samples = compare(model, images, module, step // SAMPLE_FACTOR[device])
            rows.append(report(name, case_on(device, case), bars[device], *samples))
            rows[-1] |= {**description_of(device), "weights": "random"}
            # After each, since all of them take hours.
            harness.write(name, rows, packages=["torchvision"])


def compare(
    model: Classifier, images: torch.Tensor, module: str, step: int
) -> tuple[dict, dict, dict]:
    """Return channels and seconds of the samples of both sides, and further numbers."""
    counts, device = model.channels(), model.mean.device.type
    hook = partial(by_hook, model, images, module)
    # The first runs are warm-ups.
    hook(BATCHES[device][0], 1)
    batch = min(BATCHES[device], key=lambda size: hook(size, 1))
    samples = [{layer: range(n // step * k) for layer, n in counts.items()} for k in SIZES]
    seconds(model, images, {layer: range(1) for layer in counts})
    times = [], []
    for size, sample in zip(SIZES, samples, strict=True):
        times[0].append(hook(batch, size * SAMPLE_FACTOR[device]))
        times[1].append(seconds(model, images, sample))
    numbers = (
        [size * SAMPLE_FACTOR[device] for size in SIZES],
        [sum(map(len, s.values())) for s in samples],
    )
    baseline, ours = (
        {"channels": number, "seconds": side, "once": once, "images": len(images)}
        for number, side, once in zip(numbers, times, (False, True), strict=True)
    )
    more = {"all_channels": sum(counts.values()), "hook_batch": batch, "dead": dead(model, images)}
    return baseline, ours, more


def report(name: str, case: str, bar: float, baseline: dict, ours: dict, more: dict) -> dict:
    """Print the extrapolated times; return the row that is written."""
    number = more["all_channels"]
    totals = [extrapolated(side, number) for side in (baseline, ours)]
    pairs = list(combinations(range(len(SIZES)), 2))
    ratios = [
        extrapolated(baseline, number, pair) / extrapolated(ours, number, pair) for pair in pairs
    ]
    per_pair = [1e3 * seconds / number / N_IMAGES for seconds in totals]
    result = harness.Result(
        name=name, case=f"{case}, {number:,} channels", baseline_ms=per_pair[0],
        ours_ms=per_pair[1], ratio=totals[0] / totals[1], ratio_low=min(ratios),
        ratio_high=max(ratios), bar=bar, per_second=None, ok=totals[0] / totals[1] >= bar,
    )  # fmt: skip
    deviations = [deviation(side) for side in (baseline, ours)]
    load = os.getloadavg()[0]
    print(harness.as_line(result), flush=True)
    print(
        f"    {number:,} channels x {N_IMAGES} images, extrapolated: {totals[0] / 3600:.2f} h and "
        f"{totals[1] / 3600:.2f} h; samples of {ours['channels']} channels x {ours['images']} "
        f"images, deviation {deviations[1]:.1%} (hook, batches of {more['hook_batch']}: "
        f"{deviations[0]:.1%}); random weights, {more['dead']:.1%} of pairs dead, load {load:.1f}",
        flush=True,
    )
    samples = {"baseline": baseline, "ours": ours, "deviations": deviations, "load": load}
    return {**asdict(result), **samples, **more}


def extrapolated(side: dict, number: int, places: Sequence[int] = range(len(SIZES))) -> float:
    """Return the seconds for all images, extrapolated by a line through samples."""
    channels, times = (np.array(side[key])[list(places)] for key in ("channels", "seconds"))
    return float(line(channels, times, side["once"])(number)) * N_IMAGES / side["images"]


def deviation(side: dict) -> float:
    """Return the largest deviation of a sample from the line, as a fraction of its time."""
    channels, times = (np.array(side[key]) for key in ("channels", "seconds"))
    return float(np.abs(times / line(channels, times, side["once"])(channels) - 1).max())


def line(channels: np.ndarray, times: np.ndarray, once: bool) -> Callable:
    """Return a straight line through the times, with a constant part if `once`."""
    if once:
        return np.poly1d(np.polyfit(channels, times, 1))
    return np.poly1d([(channels @ times) / (channels @ channels), 0])


@torch.inference_mode()
def by_hook(
    model: Classifier, images: torch.Tensor, module: str, batch: int, channels: int
) -> float:
    """Return the seconds for some channels; as the whole network runs, the layer has no effect."""
    layer, device = model.network.get_submodule(module), images.device.type
    start = clock(device)
    for channel in range(channels):
        with hooked(layer, partial(ablate_channel, channel)):
            for part in images.split(batch):
                model.network((part - model.mean) / model.std).argmax(dim=1)
    return clock(device) - start


@contextmanager
def hooked(module: torch.nn.Module, hook: Callable):
    """Register a forward hook; remove it at the end of the context."""
    handle = module.register_forward_hook(hook)
    try:
        yield
    finally:
        handle.remove()


def ablate_channel(channel: int, module: object, inputs: object, output: torch.Tensor) -> None:
    """Forward hook that sets a channel to zero."""
    output[:, channel] = 0.0


@torch.inference_mode()
def seconds(model: Classifier, images: torch.Tensor, channels: dict[str, range]) -> float:
    """Return the seconds of `ablate` if every image has a shape or texture decision."""
    device = images.device.type
    batch = IMAGES[device]
    labels = [
        model.classes[number] for part in images.split(batch) for number in model(part).argmax(1)
    ]
    others = [model.classes[model.classes.index(name) - 1] for name in labels]
    ids = [str(number) for number in range(len(images))]
    start = clock(device)
    ablate(model, images, ids, labels, others, channels=channels, batch=batch)
    return clock(device) - start


@torch.inference_mode()
def dead(model: Classifier, images: torch.Tensor) -> float:
    """Return the share of pairs of image and channel in which the channel is zero."""
    maps = [maps for _, maps in model.walk(images)]
    zero = [(layer == 0).flatten(2).all(dim=2) for layer in maps]
    return float(torch.cat(zero, dim=1).float().mean())
