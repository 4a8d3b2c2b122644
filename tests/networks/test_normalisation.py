"""Pixels are not normalised twice: constants inside a network are recognised by name."""

from collections import OrderedDict

import pytest
import torch
from torch import nn
from torch.nn import functional

from shapebias.errors import ShapebiasError
from shapebias.networks.checkpoints import load_network, save_network
from shapebias.networks.classifier import Classifier
from shapebias.networks.import_weights import load_weights
from shapebias.networks.normalisation import check_normalised_once, combined_normalisation
from shapebias.plugins import build
from shapebias.torchvision_import import torchvision
from shapebias.weights.align import PIXEL_CONSTANTS

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


class Normaliser(nn.Module):
    """Constants under two names, as values of some type."""

    def __init__(self, mean, std, names=("mean", "std"), hold=nn.Buffer):
        super().__init__()
        self.names = names
        for name, values in zip(names, (mean, std), strict=True):
            setattr(self, name, hold(torch.tensor(values).view(3, 1, 1)))

    def forward(self, pixels):
        mean, std = (
            torch.as_tensor(getattr(self, name)).view(3, 1, 1).to(pixels) for name in self.names
        )
        return (pixels - mean) / std


class Subtraction(Normaliser):
    """A class whose name does not reveal what it does."""


class OwnWay(nn.Module):
    """Any function as a module."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, pixels):
        return self.function(pixels)


OTHER_NAMES = ("off", "by")
NORMALISING = {
    **{" ".join(names): Normaliser(*IMAGENET, names) for names in PIXEL_CONSTANTS},
    "torchvision's module": torchvision.transforms.Normalize(*HALVES),
    "frozen parameters": Normaliser(
        *IMAGENET, hold=lambda values: nn.Parameter(values, requires_grad=False)
    ),
    "trainable parameters": Normaliser(*IMAGENET, hold=nn.Parameter),
    "tensors": Normaliser(*IMAGENET, hold=nn.Identity()),
    "lists": Normaliser(*IMAGENET, hold=lambda values: values.flatten().tolist()),
    "a class called Normaliser": Normaliser(*IMAGENET, OTHER_NAMES),
    "a module called normalize": nn.Sequential(
        OrderedDict(normalize=Subtraction(*IMAGENET, OTHER_NAMES))
    ),
    "inside a container": nn.Sequential(nn.Identity(), Normaliser(*IMAGENET)),
}


def wrapped(network, mean, std):
    return Classifier(
        network, segments={}, tail=[], classes="ab", mean=mean, std=std, input_size=SIDE
    )


@pytest.mark.parametrize("first", NORMALISING.values(), ids=NORMALISING)
@pytest.mark.parametrize("entry", [IMAGENET, HALVES], ids=["ImageNet", "halves"])
def test_a_second_normalisation_is_refused_in_one_line(first, entry):
    network = Network(first).train()
    with pytest.raises(ShapebiasError, match="normalises its input") as error:
        wrapped(network, *entry)
    assert "\n" not in str(error.value)
    # Its own normalisation alone is accepted, and the check has changed nothing.
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
    "resized": OwnWay(lambda pixels: functional.interpolate(pixels, size=9, mode="bilinear")),
    "learnt": nn.BatchNorm2d(3),
    "learnt under a name": nn.Sequential(OrderedDict(normalize=nn.BatchNorm2d(3))),
    "of each image": OwnWay(lambda pixels: pixels - pixels.mean(dim=(1, 2, 3), keepdim=True)),
    "trainable scales": OwnScale(),
    "a learnt filter": nn.Conv2d(3, 3, 1, groups=3),
    "constants 0 and 1": Normaliser(*NONE),
}


@pytest.mark.parametrize("first", ONCE.values(), ids=ONCE)
def test_a_network_that_does_not_normalise_is_accepted(first):
    wrapped(Network(first), *IMAGENET)


def test_both_normalisations_are_combined():
    network = Network(Normaliser(*IMAGENET))
    mean, std = combined_normalisation(network, *HALVES)
    pixels = torch.rand(4, 3, 5, 5)
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (mean, std))
    assert torch.allclose((pixels - mean) / std, network.first((pixels - 0.5) / 0.5), atol=1e-5)


@pytest.mark.parametrize("name", ["googlenet", "inception_v3"])
def test_transform_input_is_accepted_after_imagenet_alone(name):
    settings = {"weights": None, "transform_input": True, "init_weights": False}
    network = torchvision.models.get_model(name, **settings)
    check_normalised_once(network, *IMAGENET)
    inner = combined_normalisation(network, *IMAGENET)
    assert inner[0] == pytest.approx([0.5] * 3) and inner[1] == pytest.approx([0.5] * 3)
    # Pixels that are normalised with halves already would be normalised twice.
    with pytest.raises(ShapebiasError, match="normalises its input"):
        check_normalised_once(network, *HALVES)


def test_networks_on_the_meta_device_are_not_checked():
    with torch.device("meta"):
        network = Network(Normaliser(*IMAGENET))
    check_normalised_once(network, *IMAGENET)


def later():
    """Network whose constants are 0 and 1 until its weights are loaded."""
    return Network(Normaliser(*NONE))


FACTORY = {"kind": "factory", "function": "tests.networks.test_normalisation:later"}


def test_constants_that_come_with_the_weights_are_checked(tmp_path):
    torch.save(Network(Normaliser(*IMAGENET)).state_dict(), tmp_path / "x.pth")
    settings = {"classes": ["a", "b"], "input_size": SIDE}
    model = build("architectures", **FACTORY, mean=IMAGENET[0], std=IMAGENET[1], **settings)
    with pytest.raises(ShapebiasError, match="normalises its input"):
        load_weights(model, tmp_path / "x.pth")
    load_weights(
        build("architectures", **FACTORY, mean=NONE[0], std=NONE[1], **settings), tmp_path / "x.pth"
    )


@pytest.mark.parametrize(
    "provenance",
    [{"file": "x.pth"}, {"training": {}}],
    ids=lambda provenance: next(iter(provenance)),
)
def test_saved_constants_are_checked_unless_they_were_trained(tmp_path, provenance):
    architecture = FACTORY | {"mean": IMAGENET[0], "std": IMAGENET[1]}
    model = build("architectures", classes=["a", "b"], input_size=SIDE, **architecture)
    model.network.load_state_dict(Network(Normaliser(*IMAGENET)).state_dict())
    files = tmp_path / "weights.safetensors", tmp_path / "model.json"
    save_network(model, *files, architecture=architecture, provenance=provenance)
    if "training" in provenance:
        load_network(*files, architecture=architecture)
    else:
        with pytest.raises(ShapebiasError, match="normalises its input"):
            load_network(*files, architecture=architecture)
