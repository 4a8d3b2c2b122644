"""Silencing channels one by one against a hook and a run of the whole network for each of them.

Real architectures at 224 × 224, in float32 on one core. Their weights are random, and all images
count; a trained network has more dead channels, which are skipped. Both sides take a sample of the
channels, and times are those of one channel on one image.
"""

import os
import time
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from statistics import median

import torch

from benchmarks import harness
from shapebias.ablation import ablate
from shapebias.classifier import Classifier
from shapebias.plugins import build

ROUNDS, IMAGES, BATCH = 3, 16, 64
# Settings, module after whose output the hook sits, one channel in so many, bar.
NETWORKS = {
    "AlexNet, 1,152 channels": ({"kind": "alexnet"}, "features.4", 8, 5.0),
    "ResNet-50, 3,904 channels": ({"kind": "resnet", "depth": 50}, "layer2", 64, 4.0),
    "GoogLeNet, 5,808 channels": ({"kind": "googlenet"}, "inception4a", 64, 4.0),
}


def run(name: str) -> None:
    """Print one line a network, and write them as well."""
    torch.set_num_threads(1)
    print(harness.LINE.format(*harness.HEADER), flush=True)
    rows = []
    for case, (settings, module, step, bar) in NETWORKS.items():
        model, images = network(settings), torch.rand(IMAGES, 3, 224, 224)
        channels = {layer: sample(number // step) for layer, number in model.channels().items()}
        load = os.getloadavg()[0]
        pairs = [(by_hook(model, images, module), by_ours(model, images, channels))
                 for _ in range(ROUNDS)]  # fmt: skip
        ratios = [hook / ours for hook, ours in pairs]
        hook, ours = (1e3 * median(side) for side in zip(*pairs, strict=True))
        result = harness.Result(
            name=name, case=case, baseline_ms=hook, ours_ms=ours, ratio=median(ratios),
            ratio_low=min(ratios), ratio_high=max(ratios), bar=bar, per_second=None,
            ok=median(ratios) >= bar,
        )  # fmt: skip
        print(harness.as_line(result), f"  random weights, load {load:.1f}", flush=True)
        rows.append({**asdict(result), "load": load, "weights": "random"})
    harness.write(name, rows, packages=["torchvision"])


def sample(number: int) -> range:
    """About so many channels, those of one batch together, as they are run together."""
    together = BATCH // IMAGES
    return range(-(-number // together) * together)


def network(settings: dict) -> Classifier:
    """Network with random weights whose decisions differ from image to image."""
    torch.manual_seed(0)
    return build("models", classes=[str(number) for number in range(1000)], **settings).eval()


@torch.inference_mode()
def by_hook(model: Classifier, images: torch.Tensor, module: str, channels: int = 2) -> float:
    """Seconds a channel and image; the whole network runs, so the layer does not matter."""
    layer = model.network.get_submodule(module)
    start = time.perf_counter()
    for channel in range(channels):
        handle = layer.register_forward_hook(partial(silence, channel))
        model.network((images - model.mean) / model.std).argmax(dim=1)
        handle.remove()
    return (time.perf_counter() - start) / (channels * len(images))


def silence(channel: int, module: object, inputs: object, output: torch.Tensor) -> None:
    """Forward hook that sets a channel to zero."""
    output[:, channel] = 0.0


def by_ours(model: Classifier, images: torch.Tensor, channels: dict[str, range]) -> float:
    """Seconds a channel and image."""
    return seconds(model, images, channels) / (sum(map(len, channels.values())) * len(images))


@torch.inference_mode()
def seconds(
    model: Classifier,
    images: torch.Tensor,
    channels: dict[str, range],
    clock: Callable[[], float] = time.perf_counter,
) -> float:
    """Seconds of everything that `ablate` does, where all images count."""
    decided = [
        model.classes[number] for part in images.split(BATCH) for number in model(part).argmax(1)
    ]
    others = [model.classes[model.classes.index(name) - 1] for name in decided]
    ids = [str(number) for number in range(len(images))]
    start = clock()
    ablate(model, images, ids, decided, others, channels=channels, batch=BATCH)
    return clock() - start
