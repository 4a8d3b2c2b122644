import inspect

import pytest
import torch
from torch import nn

from shapebias import plugins
from shapebias.errors import ShapebiasError
from shapebias.networks.architectures import alexnet, googlenet, resnet
from shapebias.networks.classifier import Classifier
from shapebias.torchvision_import import torchvision

TV = torchvision.models
CLASSES = [str(number) for number in range(8)]


def alexnet_with_norms():
    """AlexNet with batch norm, written out."""
    network = TV.alexnet()
    network.features = nn.Sequential(
        *(nn.Conv2d(3, 64, 11, stride=4, padding=2), nn.BatchNorm2d(64), nn.ReLU()),
        nn.MaxPool2d(3, stride=2),
        *(nn.Conv2d(64, 192, 5, padding=2), nn.BatchNorm2d(192), nn.ReLU()),
        nn.MaxPool2d(3, stride=2),
        *(nn.Conv2d(192, 384, 3, padding=1), nn.BatchNorm2d(384), nn.ReLU()),
        *(nn.Conv2d(384, 256, 3, padding=1), nn.BatchNorm2d(256), nn.ReLU()),
        *(nn.Conv2d(256, 256, 3, padding=1), nn.BatchNorm2d(256), nn.ReLU()),
        nn.MaxPool2d(3, stride=2),
    )
    return network


PUBLISHED = {
    "alexnet": (alexnet.build, {}, TV.alexnet),
    "alexnet_bn": (alexnet.build, {"batch_norm": True}, alexnet_with_norms),
    "googlenet": (
        googlenet.build,
        {},
        lambda: TV.googlenet(aux_logits=False, init_weights=False),
    ),
    "resnet18": (resnet.build, {"depth": 18}, TV.resnet18),
    "resnet50": (resnet.build, {"depth": 50}, TV.resnet50),
}
CHANNELS = {
    "alexnet": 1152,
    "alexnet_bn": 1152,
    "googlenet": 5808,
    "resnet18": 1024,
    "resnet50": 3904,
}


def normalised(images):
    mean = torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1)
    return (images - mean) / torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1)


@pytest.mark.parametrize("name", PUBLISHED)
def test_full_width_is_the_published_network(name):
    build, settings, published = PUBLISHED[name]
    torch.manual_seed(0)
    theirs = published().eval()
    ours = build(classes=[str(number) for number in range(1000)], **settings).eval()
    ours.network.load_state_dict(theirs.state_dict(), strict=True)
    images = torch.rand(2, 3, 96, 96)
    with torch.no_grad():
        assert torch.equal(ours(images), theirs(normalised(images)))
        assert sum(ours.channels().values()) == CHANNELS[name]


@pytest.mark.parametrize("stem", ["imagenet", "small"])
@pytest.mark.parametrize("name", PUBLISHED)
def test_narrow_networks_of_small_images(name, stem):
    build, settings, published = PUBLISHED[name]
    torch.manual_seed(0)
    model = build(classes=CLASSES, input_size=64, width=0.125, stem=stem, **settings)
    assert model.network.state_dict().keys() == published().state_dict().keys()
    assert all(parameter.device.type == "cpu" for parameter in model.parameters())
    images = torch.rand(2, 3, 64, 64)
    assert model.eval()(images).shape == (2, 8)
    assert sum(model.channels().values()) == CHANNELS[name] / 8
    for layer, activation in model.walk(images):
        assert (activation >= 0).all(), layer
        assert torch.equal(model.resume(layer, activation), model(images))


def test_cifar_stem_neither_strides_nor_pools():
    torch.manual_seed(0)
    model = resnet.build(classes=CLASSES, input_size=32, depth=18, stem="cifar")
    images = torch.rand(1, 3, 32, 32)
    sizes = {layer: activation.shape[-1] for layer, activation in model.walk(images)}
    assert sizes == {"conv1": 32, "layer1": 32, "layer2": 16, "layer3": 8, "layer4": 4}
    assert model.network.state_dict().keys() == TV.resnet18().state_dict().keys()
    # The published network for CIFAR-10 of these channels and ten classes has 11,173,962.
    ten_classes = sum(value.numel() for value in model.parameters()) + 2 * 513
    assert ten_classes == 11_173_962
    # He's spread for filters of 27 inputs.
    assert model.network.conv1.weight.std().item() == pytest.approx((2 / 27) ** 0.5, rel=0.05)


@pytest.mark.parametrize("name", PUBLISHED)
def test_weights_follow_the_seed(name):
    build, settings, _ = PUBLISHED[name]

    def weights(seed):
        torch.manual_seed(seed)
        model = build(classes=CLASSES, input_size=64, width=0.125, **settings)
        return torch.cat([parameter.flatten() for parameter in model.parameters()])

    assert torch.equal(weights(0), weights(0))
    assert not torch.equal(weights(0), weights(1))


@pytest.mark.parametrize(
    ("kind", "settings", "message"),
    [
        ("alexnet", {"width": 0.3}, "0.3 is not .* a multiple of 1/64; the nearest that is: 0.296"),
        ("alexnet", {"width": 0}, "0 is not at least 0.01.*; the nearest that is: 0.015625"),
        ("resnet", {"depth": 20}, "known: 101, 152, 18, 34, 50"),
        (
            "efficientnet_lite",
            {"variant": 5},
            "unknown variant of architectures/efficientnet_lite: 5",
        ),
        ("googlenet", {"stem": "tiny"}, "known: imagenet, small"),
        ("googlenet", {"dropout": float("nan")}, "nan is not at least 0 and below 1$"),
        ("resnet", {"input_size": 4}, "4 is not at least 8; the nearest that is: 8"),
    ],
)
def test_wrong_settings_are_refused(kind, settings, message):
    with pytest.raises(ShapebiasError, match=message) as error:
        plugins.build("architectures", kind=kind, classes=CLASSES, **settings)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_smallest_width_gives_whole_numbers_of_channels(name):
    build, settings, _ = PUBLISHED[name]
    (limits,) = inspect.signature(build).parameters["width"].annotation.__metadata__
    with torch.device("meta"):
        build(classes=CLASSES, input_size=64, width=limits.step, **settings)


class NormalisingInside(torch.nn.Module):
    """A network that normalises its input with constants under the given name."""

    def __init__(self, name, scale, buffer):
        super().__init__()
        for which, values in (("mean", IMAGENET[0]), ("std", IMAGENET[1])):
            constant = torch.tensor(values).view(1, 3, 1, 1) * scale
            key = f"{name}_{which}"
            if buffer:
                self.register_buffer(key, constant)
            else:
                setattr(self, key, constant.flatten().tolist())
        self.name, self.body = name, torch.nn.Conv2d(3, 2, 8)

    def forward(self, pixels):
        mean, std = (
            torch.as_tensor(getattr(self, f"{self.name}_{which}")).view(1, 3, 1, 1)
            for which in ("mean", "std")
        )
        return self.body((pixels - mean) / std).flatten(1)


IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


@pytest.mark.parametrize("scale", [1, 255])
@pytest.mark.parametrize("buffer", [True, False])
def test_no_network_normalises_twice(scale, buffer):
    def classifier(mean, std):
        network = NormalisingInside("pixel", scale, buffer)
        parts = {"segments": {"body": [network.body]}, "tail": [torch.nn.Flatten()]}
        return Classifier(network, **parts, classes=["a", "b"], input_size=8, mean=mean, std=std)

    with pytest.raises(ShapebiasError, match="normalises its input"):
        classifier(*IMAGENET)
    assert classifier([0, 0, 0], [1, 1, 1])(torch.zeros(1, 3, 8, 8)).shape == (1, 2)


@pytest.mark.parametrize(
    ("mean", "std", "message"),
    [
        ([123.7, 116.3, 103.5], [0.2, 0.2, 0.2], "^mean: .* divided by 255 it may be"),
        ([0.5, 0.5, 0.5], [58.4, 57.1, 57.4], "^std: .* divided by 255 it may be"),
        ([0.5, 0.5, 0.5], [0.2, 0.0, 0.2], "^std: .* above 0 and at most 1"),
        ([0.5, 0.5], [0.2, 0.2, 0.2], "^mean: .* three numbers"),
        ([0.5, 0.5, float("nan")], [0.2, 0.2, 0.2], "^mean: .* at least 0 and at most 1"),
    ],
)
def test_constants_are_of_pixels_from_0_to_1(mean, std, message):
    body = torch.nn.Conv2d(3, 2, 8)
    with pytest.raises(ShapebiasError, match=message):
        Classifier(
            body, segments={"body": [body]}, tail=[], classes=["a", "b"], input_size=8,
            mean=mean, std=std,
        )  # fmt: skip
