"""Time of adversarial training, compared with the loop of MadryLab's `robustness`, and of loading.

Three training steps with seven PGD steps each, in float32 on one core, in CPU time, which hardly
depends on other load. Our time includes the start and end of an epoch, here shared by only three
steps. The baseline repeats the arithmetic of their loop: the attack in eval mode on the whole
network, pixels clipped and normalised in every step, the gradient with respect to the images, NCHW
memory format, the last iterate. Weights are random and images noise, which does not affect times.

On a GPU their loop runs in float32 with convolutions in TF32, torch's default; ours runs in
bfloat16, channels-last and compiled (compilation is part of the warm-up).
"""

import shutil
import tempfile
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from itertools import chain
from pathlib import Path
from statistics import median

import torch
from lightning_fabric import Fabric
from lightning_fabric.plugins.environments import LightningEnvironment
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from benchmarks import harness
from benchmarks.devices import CPU, GPU, case_on, clock, description_of, devices
from benchmarks.photos import as_jpeg, photo_files
from shapebias.attacks import pgd
from shapebias.attacks.pgd import gradient_of
from shapebias.io.image_sets import ResizeCrop, write_images
from shapebias.networks.classifier import Classifier
from shapebias.networks.fold import fold
from shapebias.plugins import build
from shapebias.training.fabric import PRECISIONS
from shapebias.training.image_loaders import InMemoryImages, StreamedImages
from shapebias.training.loop import Trainer
from shapebias.training.recipes import adversarial, standard
from shapebias.training.settings import TrainingSettings

ROUNDS = 3
# Steps of training in one measurement.
BATCHES = 3
EPS, STEP, STEPS = 8 / 255, 2 / 255, 7
RESNET_18, RESNET_50 = (
    {"kind": "resnet", "depth": 18, "stem": "small"},
    {"kind": "resnet", "depth": 50},
)
# Settings, side of the images in pixels, and batch size.
NETWORKS = {
    "ResNet-18, 32 pixels, batch 32": (RESNET_18, 32, 32),
    "ResNet-50, 224 pixels, batch 4": (RESNET_50, 224, 4),
    "GoogLeNet, 224 pixels, batch 4": ({"kind": "googlenet"}, 224, 4),
    "AlexNet, 224 pixels, batch 16": ({"kind": "alexnet"}, 224, 16),
}
# Networks with so little work per step that the overhead of a step has the largest share.
NARROW = {
    "ResNet-18 / 4, 32 pixels, batch 4": ({**RESNET_18, "width": 0.25}, 32, 4),
    "GoogLeNet / 4, 32 pixels, batch 32": ({"kind": "googlenet", "width": 0.25}, 32, 32),
}
ON_CARD = {
    "ResNet-18, 32 pixels, batch 512": (RESNET_18, 32, 512),
    "ResNet-50, 224 pixels, batch 128": (RESNET_50, 224, 128),
}
SMALL = {"kind": "resnet", "depth": 18, "stem": "small", "width": 0.125}
# The learning rate is so small that the weights hardly change.
SETTINGS = {"epochs": 1, "learning_rate": 1e-9, "momentum": 0.9, "weight_decay": 1e-4}
SETTINGS |= {"schedule": "constant", "seed": 0}
LOOP_BAR, NARROW_BAR, CARD_BAR, ATTACK_BAR, LOADER_BAR = 1.3, 1.0, 3.0, 1 / 1.1, 1.0
# These settings are measured for information and have no bar.
SETTING_BAR = 0.0


def run(name: str) -> None:
    """Print and write the result of each case."""
    torch.set_num_threads(1)
    print(harness.LINE.format(*harness.HEADER), flush=True)
    rows, makers = [], {CPU: (loops, attacks, loaders, variants), GPU: (loops_on_gpu,)}
    for device in devices(name, exact=False):
        for case, bar, items, sides in chain.from_iterable(make() for make in makers[device]):
            result = compare(name, case_on(device, case), bar, items, *sides, device=device)
            print(harness.as_line(result), flush=True)
            rows.append({**asdict(result), **description_of(device)})
    harness.write(name, rows, packages=["torchvision", "lightning-fabric"])


def compare(
    name: str, case: str, bar: float, items: int, baseline: Callable, ours: Callable, *, device: str
) -> harness.Result:
    """Time both sides alternately, per item; the first calls are warm-ups."""
    baseline(), ours()
    pairs = [(seconds(baseline, device), seconds(ours, device)) for _ in range(ROUNDS)]
    ratios = [baseline_s / ours_s for baseline_s, ours_s in pairs]
    ours_ms, baseline_ms = (1e3 * median(p[n] for p in pairs) / items for n in (1, 0))
    return harness.Result(
        name=name, case=case, baseline_ms=baseline_ms, ours_ms=ours_ms, ratio=median(ratios),
        ratio_low=min(ratios), ratio_high=max(ratios), bar=bar, per_second=None,
        ok=median(ratios) >= bar,
    )  # fmt: skip


def seconds(work: Callable, device: str) -> float:
    """Return the seconds of a call on a device."""
    start = clock(device)
    work()
    return clock(device) - start


def loops():
    """Yield their loop and ours on each network."""
    for case, (settings, size, batch) in (NETWORKS | NARROW).items():
        theirs, ours = network(settings, size), network(settings, size)
        images, labels = noise(batch * BATCHES, size)
        check(ours, images[:batch], labels[:batch])
        yield case, NARROW_BAR if case in NARROW else LOOP_BAR, len(images), (
            partial(plain_loop, theirs, images / 255, labels, batch),
            partial(train_epoch, ours, images, labels, batch),
        )  # fmt: skip


def loops_on_gpu():
    """Yield their loop in float32 and ours with all settings that increase speed."""
    fast_settings = {"fabric": fabric_on(GPU, "bfloat16"), "compiled": True}
    for case, (settings, size, batch) in ON_CARD.items():
        theirs, ours = (network(settings, size).to(GPU) for _ in range(2))
        images, labels = (tensor.to(GPU) for tensor in noise(batch * BATCHES, size))
        yield case, CARD_BAR, len(images), (
            partial(plain_loop, theirs, images / 255, labels, batch),
            partial(train_epoch, ours, images, labels, batch, **fast_settings),
        )  # fmt: skip


def variants():
    """Yield our loop with default settings and with each setting that changes its speed."""
    bfloat16 = {"fabric": fabric_on(CPU, "bfloat16")}
    changed = {"bfloat16": bfloat16, "channels first": {"channels_last": False}}
    if shutil.which("g++"):
        changed["compiled"] = {"compiled": True}
    for case in list(NETWORKS)[:2]:
        settings, size, batch = NETWORKS[case]
        images, labels = noise(batch, size)
        for setting, change in changed.items():
            models = network(settings, size), network(settings, size)
            yield f"{setting}: {case}", SETTING_BAR, batch, (
                partial(train_epoch, models[0], images, labels, batch),
                partial(train_epoch, models[1], images, labels, batch, **change),
            )  # fmt: skip


def attacks():
    """Yield the forward and backward passes of an attack on 10,000 images, and the attack.

    The network is not folded, since on a folded copy the attack takes less time than these passes.
    It is narrow, so that the work between the passes has a large share.
    """
    model = network(SMALL, 32).eval().to(memory_format=torch.channels_last)
    images, labels = noise(10_000, 32)
    pixels = (images / 255).contiguous(memory_format=torch.channels_last)
    attack = pgd.build(norm="linf", eps=EPS, step=STEP, steps=STEPS)
    yield "PGD over 10,000 images (its passes)", ATTACK_BAR, 10_000, (
        partial(bare_passes, model, pixels, labels),
        partial(run_attack, attack, model, pixels, labels),
    )  # fmt: skip


def loaders():
    """Yield a step of standard training, and loading its images from Parquet, on one thread."""
    photo = as_jpeg(photo_files(None)[0])
    for case in list(NETWORKS)[:2]:
        settings, size, batch = NETWORKS[case]
        count = max(batch, 32)
        model, (images, labels) = network(settings, size), noise(batch, size)
        step = partial(train_epoch, model, images, labels, batch, recipe=standard.build())
        folder = tempfile.mkdtemp()
        rows = ({"image_id": str(n), "image": photo, "label": "0"} for n in range(count))
        path = Path(folder, "part.parquet")
        write_images(rows, path, sizing=ResizeCrop(resize=size * 8 // 7, crop=size))
        streamed = StreamedImages([path], buffer=2**30, device="cpu")
        order = streamed.order(torch.Generator().manual_seed(0)).split(batch)
        yield f"loading for a step: {case}", LOADER_BAR, count, (
            lambda step=step, n=count // batch: [step() for _ in range(n)],
            lambda streamed=streamed, order=order: list(streamed.batches(order)),
        )  # fmt: skip


def network(settings: dict, size: int) -> Classifier:
    """Return a network with random weights and ten classes."""
    torch.manual_seed(0)
    return build("architectures", classes=list("abcdefghij"), input_size=size, **settings)


def fabric_on(device: str, precision: str = "float32") -> Fabric:
    """Return a Fabric on one device."""
    settings = {"precision": PRECISIONS[precision], "plugins": [LightningEnvironment()]}
    return Fabric(accelerator=device, devices=1, **settings)


def noise(count: int, size: int) -> tuple[Tensor, Tensor]:
    """Return uint8 images and labels from 0 to 9."""
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (count, 3, size, size), dtype=torch.uint8, generator=generator)
    return images, torch.randint(0, 10, (count,), generator=generator)


def train_epoch(model: Classifier, images: Tensor, labels: Tensor, batch: int, **changes) -> None:
    """Run one epoch of our loop."""
    attack = pgd.build(norm="linf", eps=EPS, step=STEP, steps=STEPS)
    work = {"recipe": adversarial.build(attack=attack), "fabric": fabric_on(CPU)}
    work |= {key: changes.pop(key) for key in work.keys() & changes.keys()}
    settings = TrainingSettings(batch=batch, **SETTINGS, **changes)
    loader = InMemoryImages(images)
    Trainer(model=model, settings=settings, images=loader, labels=labels, **work).run()


def plain_loop(model: Classifier, images: Tensor, labels: Tensor, batch: int) -> None:
    """Run their loop: `AttackerModel.forward` on each batch, then a step of the optimiser."""
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-9, momentum=0.9, weight_decay=1e-4)
    for inputs, targets in zip(images.split(batch), labels.split(batch), strict=True):
        model.eval()
        attacked = plain_attack(model, inputs, targets)
        model.train()
        loss = cross_entropy(model(attacked.clamp(0, 1)), targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def plain_attack(model: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
    """Run their attack: projected gradient descent in an L-infinity ball, from the images."""
    current = images.clone().detach()
    for _ in range(STEPS):
        current = current.clone().detach().requires_grad_(True)
        losses = cross_entropy(model(current.clamp(0, 1)), labels, reduction="none")
        (gradient,) = torch.autograd.grad(losses.mean(), [current])
        with torch.no_grad():
            change = current + STEP * gradient.sign() - images
            current = (images + change.clamp(-EPS, EPS)).clamp(0, 1)
    return current


def bare_passes(model: nn.Module, images: Tensor, labels: Tensor) -> None:
    """Run only the forward and backward passes of the attack."""
    for inputs, targets in zip(images.split(100), labels.split(100), strict=True):
        for _ in range(STEPS):
            pixels = inputs.detach().requires_grad_()
            torch.autograd.grad(cross_entropy(model(pixels), targets), pixels)


def run_attack(attack: Callable, model: nn.Module, images: Tensor, labels: Tensor) -> None:
    """Run our attack, a hundred images at a time."""
    for inputs, targets in zip(images.split(100), labels.split(100), strict=True):
        attack(model, inputs, targets)


def check(model: Classifier, images: Tensor, labels: Tensor) -> None:
    """Exit unless both attacks use the same gradient, up to rounding.

    Rounding switches single ReLUs, in their arithmetic as in ours. With random weights and noise
    the attacked images differ more: a changed sign moves a pixel by two steps, which also changes
    the next gradient.
    """
    pixels = images / 255
    (plain, _), (ours, _) = (
        gradient_of(network, pixels, labels) for network in (model.eval(), fold(model))
    )
    difference = float((plain - ours).norm() / plain.norm())
    if difference > 0.02:
        raise SystemExit(
            f"the gradients of the two attacks differ by a fraction of {difference:.1e}"
        )
