"""Adversarial training against the plain loop of MadryLab's `robustness`, and what feeds it.

Seven steps of PGD and one of training, three times over, in float32 on one core; times are of the
processor, so that other work on the machine counts little. What an epoch of ours begins and ends
with is in its time, over three steps instead of hundreds. The baseline is their loop's arithmetic
written out: the attack in eval mode on the whole network, pixels clipped and normalised anew in
every step, the gradient by the images alone, channels before rows and columns, the last iterate.
Weights are random, images noise; neither changes the time.

On a graphics card, where there is one, their loop is in float32 as torch has it there (convolutions
in TF32), and ours in bfloat16, with channels last, and compiled, which the first call has done.
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
from benchmarks.devices import CARD, PROCESSOR, case_on, clock, described, devices
from benchmarks.photos import as_jpeg, photo_files
from shapebias.attacks import pgd
from shapebias.attacks.pgd import gradient_of
from shapebias.io.image_sets import ResizeCrop, write_images
from shapebias.networks.classifier import Classifier
from shapebias.networks.fold import fold
from shapebias.plugins import build
from shapebias.training.fabric import PRECISIONS
from shapebias.training.image_loaders import StreamedImages
from shapebias.training.loop import train
from shapebias.training.recipes import adversarial, standard

ROUNDS = 3
# Steps of training in one measurement.
BATCHES = 3
EPS, STEP, STEPS = 8 / 255, 2 / 255, 7
RESNET_18, RESNET_50 = (
    {"kind": "resnet", "depth": 18, "stem": "small"},
    {"kind": "resnet", "depth": 50},
)
# Settings, side and number of images.
NETWORKS = {
    "ResNet-18, 32 pixels, batch 32": (RESNET_18, 32, 32),
    "ResNet-50, 224 pixels, batch 4": (RESNET_50, 224, 4),
    "GoogLeNet, 224 pixels, batch 4": ({"kind": "googlenet"}, 224, 4),
    "AlexNet, 224 pixels, batch 16": ({"kind": "alexnet"}, 224, 16),
}
# So little work a step that what each step costs besides weighs the most.
NARROW = {
    "ResNet-18 / 4, 32 pixels, batch 4": ({**RESNET_18, "width": 0.25}, 32, 4),
    "GoogLeNet / 4, 32 pixels, batch 32": ({"kind": "googlenet", "width": 0.25}, 32, 32),
}
ON_CARD = {
    "ResNet-18, 32 pixels, batch 512": (RESNET_18, 32, 512),
    "ResNet-50, 224 pixels, batch 128": (RESNET_50, 224, 128),
}
SMALL = {"kind": "resnet", "depth": 18, "stem": "small", "width": 0.125}
# So slow that the weights stay as they are.
SETTINGS = {"epochs": 1, "learning_rate": 1e-9, "momentum": 0.9, "weight_decay": 1e-4}
SETTINGS |= {"schedule": "constant", "seed": 0}
LOOP_BAR, NARROW_BAR, CARD_BAR, ATTACK_BAR, LOADER_BAR = 1.3, 1.0, 3.0, 1 / 1.1, 1.0
# Settings that are measured to say where they are worth it, and need not be.
SETTING_BAR = 0.0


def run(name: str) -> None:
    """Print one line a case, and write them as well."""
    torch.set_num_threads(1)
    print(harness.LINE.format(*harness.HEADER), flush=True)
    rows, makers = [], {PROCESSOR: (loops, attacks, loaders, variants), CARD: (loops_on_card,)}
    for device in devices(name, exact=False):
        for case, bar, items, sides in chain.from_iterable(make() for make in makers[device]):
            found = compared(name, case_on(device, case), bar, items, *sides, device=device)
            print(harness.as_line(found), flush=True)
            rows.append({**asdict(found), **described(device)})
    harness.write(name, rows, packages=["torchvision", "lightning-fabric"])


def compared(
    name: str, case: str, bar: float, items: int, baseline: Callable, ours: Callable, *, device: str
) -> harness.Result:
    """Times of both sides in alternation, an item; the first calls, which warm up, are apart."""
    baseline(), ours()
    pairs = [(seconds(baseline, device), seconds(ours, device)) for _ in range(ROUNDS)]
    ratios = [one / other for one, other in pairs]
    ours_ms, baseline_ms = (1e3 * median(p[n] for p in pairs) / items for n in (1, 0))
    return harness.Result(
        name=name, case=case, baseline_ms=baseline_ms, ours_ms=ours_ms, ratio=median(ratios),
        ratio_low=min(ratios), ratio_high=max(ratios), bar=bar, per_second=None,
        ok=median(ratios) >= bar,
    )  # fmt: skip


def seconds(work: Callable, device: str) -> float:
    """Seconds that work takes on a device."""
    start = clock(device)
    work()
    return clock(device) - start


def loops():
    """Their loop against ours, on each network."""
    for case, (settings, size, batch) in (NETWORKS | NARROW).items():
        theirs, ours = network(settings, size), network(settings, size)
        images, labels = noise(batch * BATCHES, size)
        check(ours, images[:batch], labels[:batch])
        yield case, NARROW_BAR if case in NARROW else LOOP_BAR, len(images), (
            partial(plain_loop, theirs, images / 255, labels, batch),
            partial(trained, ours, images, labels, batch),
        )  # fmt: skip


def loops_on_card():
    """Their loop in float32 against ours with all that is for speed."""
    ours_is = {"fabric": fabric_on(CARD, "bfloat16"), "compiled": True}
    for case, (settings, size, batch) in ON_CARD.items():
        theirs, ours = (network(settings, size).to(CARD) for _ in range(2))
        images, labels = (one.to(CARD) for one in noise(batch * BATCHES, size))
        yield case, CARD_BAR, len(images), (
            partial(plain_loop, theirs, images / 255, labels, batch),
            partial(trained, ours, images, labels, batch, **ours_is),
        )  # fmt: skip


def variants():
    """Ours as it is by default, against each of the settings that change its speed."""
    bfloat16 = {"fabric": fabric_on(PROCESSOR, "bfloat16")}
    changed = {"bfloat16": bfloat16, "channels first": {"channels_last": False}}
    if shutil.which("g++"):
        changed["compiled"] = {"compiled": True}
    for case in list(NETWORKS)[:2]:
        settings, size, batch = NETWORKS[case]
        images, labels = noise(batch, size)
        for setting, change in changed.items():
            models = network(settings, size), network(settings, size)
            yield f"{setting}: {case}", SETTING_BAR, batch, (
                partial(trained, models[0], images, labels, batch),
                partial(trained, models[1], images, labels, batch, **change),
            )  # fmt: skip


def attacks():
    """An attack over 10,000 images against its forward and backward passes alone.

    On the network as it is, as on its twin the attack costs less than those. The network is narrow,
    so that what the attack does between the passes weighs the more.
    """
    model = network(SMALL, 32).eval().to(memory_format=torch.channels_last)
    images, labels = noise(10_000, 32)
    pixels = (images / 255).contiguous(memory_format=torch.channels_last)
    attack = pgd.build(norm="linf", eps=EPS, step=STEP, steps=STEPS)
    yield "PGD over 10,000 images (its passes)", ATTACK_BAR, 10_000, (
        partial(bare_passes, model, pixels, labels),
        partial(attacked, attack, model, pixels, labels),
    )  # fmt: skip


def loaders():
    """A step of standard training against the loading of its images from Parquet, one thread."""
    photo = as_jpeg(photo_files(None)[0])
    for case in list(NETWORKS)[:2]:
        settings, size, batch = NETWORKS[case]
        count = max(batch, 32)
        model, (images, labels) = network(settings, size), noise(batch, size)
        step = partial(trained, model, images, labels, batch, recipe=standard.build())
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
    """Network with random weights and ten classes."""
    torch.manual_seed(0)
    return build("architectures", classes=list("abcdefghij"), input_size=size, **settings)


def fabric_on(device: str, precision: str = "float32") -> Fabric:
    """One device, whatever else there is."""
    settings = {"precision": PRECISIONS[precision], "plugins": [LightningEnvironment()]}
    return Fabric(accelerator=device, devices=1, **settings)


def noise(count: int, size: int) -> tuple[Tensor, Tensor]:
    """Images 0 to 255, and labels."""
    drawn = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (count, 3, size, size), dtype=torch.uint8, generator=drawn)
    return images, torch.randint(0, 10, (count,), generator=drawn)


def trained(model: Classifier, images: Tensor, labels: Tensor, batch: int, **changes) -> None:
    """Our loop, for one epoch."""
    attack = pgd.build(norm="linf", eps=EPS, step=STEP, steps=STEPS)
    settings = {"recipe": adversarial.build(attack=attack), "fabric": fabric_on(PROCESSOR)}
    settings |= {**SETTINGS, **changes}
    train(model, images, labels, batch=batch, **settings)


def plain_loop(model: Classifier, images: Tensor, labels: Tensor, batch: int) -> None:
    """Their loop: `AttackerModel.forward` on each batch, and then a step of the optimiser."""
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-9, momentum=0.9, weight_decay=1e-4)
    for some, truth in zip(images.split(batch), labels.split(batch), strict=True):
        model.eval()
        found = plain_attack(model, some, truth)
        model.train()
        loss = cross_entropy(model(found.clamp(0, 1)), truth)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def plain_attack(model: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
    """Their attack: projected gradient descent in an L-infinity ball, from the images."""
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
    """As many forward and backward passes as the attack needs, and nothing else."""
    for some, truth in zip(images.split(100), labels.split(100), strict=True):
        for _ in range(STEPS):
            pixels = some.detach().requires_grad_()
            torch.autograd.grad(cross_entropy(model(pixels), truth), pixels)


def attacked(attack: Callable, model: nn.Module, images: Tensor, labels: Tensor) -> None:
    """Our attack, a hundred images at a time."""
    for some, truth in zip(images.split(100), labels.split(100), strict=True):
        attack(model, some, truth)


def check(model: Classifier, images: Tensor, labels: Tensor) -> None:
    """Stop unless both attacks climb the same gradient, up to rounding.

    Rounding turns single ReLUs, in their arithmetic as in ours. On random weights and noise the
    images that are found differ more: one turned sign moves a pixel by two steps, and the next
    gradient with it.
    """
    pixels = images / 255
    (plain, _), (ours, _) = (
        gradient_of(climbed, pixels, labels) for climbed in (model.eval(), fold(model))
    )
    differ = float((plain - ours).norm() / plain.norm())
    if differ > 0.02:
        raise SystemExit(f"the gradients that the attacks climb differ by {differ:.1e} of them")
