"""Nothing normalises twice, however a network's own normalisation is written down."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from shapebias.errors import ShapebiasError
from shapebias.networks.checkpoints import load_network, load_weights, save_network
from shapebias.networks.classifier import Classifier
from shapebias.networks.normalisation import check_normalised_once
from shapebias.networks.normalisation_probe import own_scale_and_shift
from shapebias.plugins import build
from shapebias.torchvision_import import torchvision

IMAGENET = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
HALVES = ([0.5] * 3, [0.5] * 3)
NONE = ([0.0] * 3, [1.0] * 3)
SIDE = 16


class Network(nn.Module):
    """A network that may do something to its pixels first."""

    def __init__(self, first=None):
        super().__init__()
        self.first = first
        self.convolution = nn.Conv2d(3, 4, 3)
        self.norm = nn.BatchNorm2d(4)
        self.last = nn.Linear(4, 2)

    def forward(self, pixels):
        pixels = pixels if self.first is None else self.first(pixels)
        return self.last(self.norm(self.convolution(pixels)).mean(dim=(2, 3)))


class Attributes(nn.Module):
    """Constants under names of nobody's choosing."""

    def __init__(self, mean, std, hold):
        super().__init__()
        self.off, self.by = (hold(torch.tensor(one).view(3, 1, 1)) for one in (mean, std))

    def forward(self, pixels):
        return (pixels - self.off) / self.by


class InPlace(nn.Module):
    def forward(self, pixels):
        pixels = pixels.clone()
        for colour, (mean, std) in enumerate(zip(*IMAGENET, strict=True)):
            pixels[:, colour].sub_(mean).div_(std)
        return pixels


class Named(nn.Module):
    """Trainable constants that are known by their names alone."""

    def __init__(self):
        super().__init__()
        self.mean, self.std = (nn.Parameter(torch.tensor(one)) for one in IMAGENET)

    def forward(self, pixels):
        return (pixels - self.mean[:, None, None]) / self.std[:, None, None]


def patches(pixels):
    return pixels.reshape(-1, 3, 2, 8, 2, 8)


def back(pixels):
    return pixels.reshape(-1, 3, 16, 16)


class OwnWay(nn.Module):
    """Any function as a module."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, pixels):
        return self.function(pixels)


def fixed_norm():
    norm = nn.BatchNorm2d(3, affine=False, eps=0.0)
    norm.running_mean.copy_(torch.tensor(IMAGENET[0]))
    norm.running_var.copy_(torch.tensor(IMAGENET[1]) ** 2)
    return norm


NORMALISING = {
    "numbers": OwnWay(lambda pixels: (pixels - 0.5) / 0.5),
    "to both sides of zero": OwnWay(lambda pixels: 2 * pixels - 1),
    "torchvision's function": OwnWay(
        lambda pixels: torchvision.transforms.functional.normalize(pixels, *IMAGENET)
    ),
    "torchvision's module": torchvision.transforms.Normalize(*HALVES),
    "lists": OwnWay(lambda pixels: (pixels - torch.tensor(0.4)) * torch.tensor(4.0)),
    "frozen parameters": Attributes(*IMAGENET, lambda one: nn.Parameter(one, requires_grad=False)),
    "tensors": Attributes(*IMAGENET, nn.Identity()),
    "in place": InPlace(),
    "a batch norm without weights": fixed_norm(),
    "channels last": OwnWay(
        lambda pixels: ((pixels.permute(0, 2, 3, 1) - 0.45) / 0.225).permute(0, 3, 1, 2)
    ),
    "padded before": OwnWay(lambda pixels: 2 * functional.pad(pixels, (1, 1, 1, 1)) - 1),
    "levels less the means of levels": OwnWay(
        lambda pixels: 255 * pixels - torch.tensor([123.7, 116.3, 103.5]).view(3, 1, 1)
    ),
    "blue first": OwnWay(
        lambda pixels: (
            255 * pixels[:, [2, 1, 0]] - torch.tensor([103.5, 116.3, 123.7]).view(3, 1, 1)
        )
    ),
    "kept in range before": OwnWay(
        lambda pixels: (
            (pixels.clamp(0, 1) - torch.tensor(IMAGENET[0]).view(3, 1, 1))
            / torch.tensor(IMAGENET[1]).view(3, 1, 1)
        )
    ),
    "in patches": OwnWay(lambda pixels: back((patches(pixels) - 0.45) / 0.225)),
    "in patches, colours last": OwnWay(
        lambda pixels: back(
            ((patches(pixels).movedim(1, -1) - torch.tensor(IMAGENET[0])) / 0.225).movedim(-1, 1)
        )
    ),
    "patches among the images": OwnWay(
        lambda pixels: (2 * pixels.reshape(-1, 3, 8, 16) - 1).reshape(pixels.shape)
    ),
    "trainable parameters": Attributes(*IMAGENET, nn.Parameter),
    "trainable numbers by name": Named(),
    "the mean alone": OwnWay(lambda pixels: pixels - torch.tensor(IMAGENET[0]).view(3, 1, 1)),
    "single colours": OwnWay(
        lambda pixels: torch.cat([(pixels[:, n : n + 1] - 0.5) / 0.25 for n in range(3)], dim=1)
    ),
}


def wrapped(network, mean, std):
    return Classifier(
        network, segments={}, tail=[], classes="ab", mean=mean, std=std, input_size=SIDE
    )


@pytest.mark.parametrize("first", NORMALISING.values(), ids=NORMALISING)
@pytest.mark.parametrize("entry", [IMAGENET, HALVES], ids=["ImageNet", "halves"])
def test_twice_is_refused_in_one_line(first, entry):
    network = Network(first).train()
    with pytest.raises(ShapebiasError, match="normalises by itself") as error:
        wrapped(network, *entry)
    assert "\n" not in str(error.value)
    # Once is what it is for; and looking has changed nothing.
    wrapped(network, *NONE)
    assert network.training
    assert network.norm.num_batches_tracked == 0


class OwnScale(nn.Module):
    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1, 3, 1, 1))

    def forward(self, pixels):
        return self.scale * pixels


ONCE = {
    "nothing": None,
    "levels": OwnWay(lambda pixels: 255 * pixels),
    # What torchvision does with ImageNet's pixels for weights that were trained with halves.
    "another normalisation": OwnWay(
        lambda pixels: (pixels * torch.tensor(IMAGENET[1]).view(3, 1, 1)
        + torch.tensor(IMAGENET[0]).view(3, 1, 1) - 0.5) / 0.5
    ),
    "undone": OwnWay(
        lambda pixels: pixels * torch.tensor(IMAGENET[1]).view(3, 1, 1)
        + torch.tensor(IMAGENET[0]).view(3, 1, 1)
    ),
    "resized": OwnWay(lambda pixels: functional.interpolate(pixels, size=9, mode="bilinear")),
    "learnt": nn.BatchNorm2d(3),
    "of each image": OwnWay(
        lambda pixels: pixels - pixels.mean(dim=(1, 2, 3), keepdim=True)
    ),
    "kept in range alone": OwnWay(lambda pixels: pixels.clamp(-3, 3)),
    "blue first": OwnWay(lambda pixels: pixels[:, [2, 1, 0]]),
    "in patches": OwnWay(lambda pixels: back(patches(pixels))),
    "only where that was not done": OwnWay(
        lambda pixels: 2 * pixels - 1 if pixels.min() >= 0 else pixels
    ),
    "undone and kept in range": OwnWay(
        lambda pixels: ((pixels * torch.tensor(IMAGENET[1]).view(3, 1, 1)
        + torch.tensor(IMAGENET[0]).view(3, 1, 1)).clamp(0, 1) - 0.5) / 0.5
    ),
    "trainable scales": OwnScale(),
    "a learnt filter": nn.Conv2d(3, 3, 1, groups=3),
    "left unread": OwnWay(lambda pixels: (2 * pixels - 1, pixels)[1]),
}  # fmt: skip


@pytest.mark.parametrize("first", ONCE.values(), ids=ONCE)
def test_what_is_no_second_normalisation_is_taken(first):
    wrapped(Network(first), *IMAGENET)


def test_scale_and_shift_are_those_of_the_code():
    network = Network(Attributes(*IMAGENET, nn.Identity()))
    scale, shift = own_scale_and_shift(network, *HALVES, SIDE)
    assert scale.tolist() == pytest.approx([1 / one for one in IMAGENET[1]], rel=1e-4)
    assert shift.tolist() == pytest.approx(
        [-mean / std for mean, std in zip(*IMAGENET, strict=True)], rel=1e-4
    )


@pytest.mark.parametrize("name", ["googlenet", "inception_v3"])
def test_torchvisions_own_second_normalisation_stays_possible(name):
    settings = {"weights": None, "transform_input": True, "init_weights": False}
    network = torchvision.models.get_model(name, **settings)
    check_normalised_once(network, *IMAGENET, 299)
    # On pixels that were normalised with halves already it would be one too many.
    with pytest.raises(ShapebiasError, match="normalises by itself"):
        check_normalised_once(network, *HALVES, 299)


def test_networks_without_values_are_left_alone():
    with torch.device("meta"):
        network = Network(OwnWay(lambda pixels: 2 * pixels - 1))
    check_normalised_once(network, *IMAGENET, SIDE)


def test_our_own_networks_stop_at_their_first_convolution():
    ran = []
    model = build(
        "architectures", kind="resnet", depth=18, width=0.125, classes=["a"], input_size=32
    )
    model.network.conv1.register_forward_hook(lambda *_: ran.append(True))
    check_normalised_once(model.network, *IMAGENET, 32)
    assert not ran


def filled_later(mean, std):
    """A network whose constants are 0 and 1 until its weights are loaded."""
    network = Network(Attributes(mean, std, nn.Identity()))
    for name in ("off", "by"):
        value = getattr(network.first, name)
        delattr(network.first, name)
        network.first.register_buffer(name, value)
    return network


def later():
    """What a study's factory returns."""
    return filled_later(*NONE)


FACTORY = {"kind": "factory", "function": "tests.networks.test_normalisation:later"}


def test_constants_that_come_with_the_weights_are_judged(tmp_path):
    torch.save(filled_later(*IMAGENET).state_dict(), tmp_path / "x.pth")
    given = {"classes": ["a", "b"], "input_size": SIDE}
    model = build("architectures", **FACTORY, mean=IMAGENET[0], std=IMAGENET[1], **given)
    with pytest.raises(ShapebiasError, match="normalises by itself"):
        load_weights(model, tmp_path / "x.pth")
    load_weights(
        build("architectures", **FACTORY, mean=NONE[0], std=NONE[1], **given), tmp_path / "x.pth"
    )


@pytest.mark.parametrize(
    "provenance", [{"file": "x.pth"}, {"training": {}}], ids=lambda one: next(iter(one))
)
def test_saved_constants_are_judged_where_no_training_found_them(tmp_path, provenance):
    architecture = FACTORY | {"mean": IMAGENET[0], "std": IMAGENET[1]}
    model = build("architectures", classes=["a", "b"], input_size=SIDE, **architecture)
    model.network.load_state_dict(filled_later(*IMAGENET).state_dict())
    files = tmp_path / "weights.safetensors", tmp_path / "model.json"
    save_network(model, *files, architecture=architecture, provenance=provenance)
    if "training" in provenance:
        load_network(*files)
    else:
        with pytest.raises(ShapebiasError, match="normalises by itself"):
            load_network(*files)
