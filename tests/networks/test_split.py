"""Other people's networks: split at layers, normalised once, otherwise unchanged."""

import subprocess
import sys

import pytest
import torch
from torch import nn
from torch.nn import functional

from shapebias.errors import ShapebiasError, UnknownName
from shapebias.networks.architectures import alexnet, factory, googlenet, resnet
from shapebias.networks.architectures import timm as timm_networks
from shapebias.networks.architectures import torchvision as torchvision_networks
from shapebias.networks.checkpoints import load_network, save_network
from shapebias.networks.classifier import Classifier
from shapebias.networks.fold import fold
from shapebias.networks.import_weights import load_weights
from shapebias.networks.wrapping.split import split_at_layers
from shapebias.networks.wrapping.wrap import wrap_network
from shapebias.plugins import build
from tests.conftest import ROOT

CLASSES = list("abcde")
OWN = {"alexnet": alexnet, "googlenet": googlenet, "resnet18": resnet}
# Few and small, one of each way to write a network down.
NAMES = ["vgg11_bn", "densenet121", "efficientnet_b0", "mobilenet_v3_small", "shufflenet_v2_x0_5"]
TIMM = ["resnet18", "efficientnet_b0", "mobilenetv3_small_050", "regnety_002"]


@pytest.fixture(scope="module")
def timm():
    # Its own import of torchvision works after ours alone, which the modules above have seen to.
    return pytest.importorskip("timm", reason="needs the optional package timm")


def images(size=64):
    return torch.rand(2, 3, size, size, generator=torch.Generator().manual_seed(0))


@torch.no_grad()
def check(model, size=64):
    """The network's own scores on pixels normalised once; every layer is a place to resume at."""
    model.eval()
    once = (images(size) - model.mean) / model.std
    expected = model.network(once)
    kept = [(layer, value, value.clone()) for layer, value in model.walk(images(size))]
    assert torch.equal(model(images(size)), expected)
    assert len(kept) >= 3
    for layer, value, copy in kept:
        assert torch.equal(value, copy), f"{layer} is changed in place"
        assert value.ndim == 4
        assert torch.equal(model.resume(layer, value), expected), layer
        assert value.shape[1] == model.channels()[layer]


@pytest.mark.parametrize("name", OWN)
def test_the_papers_layers_by_default(name):
    settings = {"depth": 18} if name == "resnet18" else {}
    ours = OWN[name].build(classes=CLASSES, input_size=64, **settings).eval()
    halves = {"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}
    model = torchvision_networks.build(classes=CLASSES, name=name, input_size=64, **halves).eval()
    model.network.load_state_dict(ours.network.state_dict())
    assert model.channels() == ours.channels()
    with torch.no_grad():
        pairs = zip(model.walk(images()), ours.walk(images()), strict=True)
        assert all(torch.equal(one, other) for (_, one), (_, other) in pairs)
        assert torch.equal(model(images()), ours(images()))
    # Modules in a row, no traced code: what is theirs stays theirs.
    assert not any(isinstance(one, torch.fx.GraphModule) for one in model._tail)


@pytest.mark.parametrize("name", NAMES)
def test_any_network_of_torchvision_at_its_stages(name):
    torch.manual_seed(0)
    model = torchvision_networks.build(classes=CLASSES, name=name, input_size=64)
    check(model)
    assert len(dict(model.named_parameters())) == len(dict(model.network.named_parameters()))


@pytest.mark.parametrize("name", TIMM)
def test_any_network_of_timm_at_its_stages(timm, name):
    torch.manual_seed(0)
    model = timm_networks.build(classes=CLASSES, name=name, input_size=64)
    check(model)
    stages = [stage["module"] for stage in model.network.feature_info]
    assert set(model.layers) <= set(stages)
    own = timm.create_model(name).pretrained_cfg
    assert model.mean.flatten().tolist() == pytest.approx(own["mean"])
    assert timm_networks.build(classes=CLASSES, name=name).input_size == own["input_size"][-1]


def test_weights_that_expect_other_pixels_get_them():
    model = torchvision_networks.build(classes=CLASSES, name="googlenet", input_size=64)
    assert model.mean.flatten().tolist() == [0.5, 0.5, 0.5]
    # torchvision's own second normalisation is off.
    assert model.network.transform_input is False
    check(model)


def test_modes_reach_what_was_cut():
    model = torchvision_networks.build(classes=CLASSES, name="densenet121", input_size=64)
    norm = model.network.features.norm5
    before = norm.running_mean.clone()
    model.eval()(images())
    assert torch.equal(norm.running_mean, before)
    model.train()(images())
    assert not torch.equal(norm.running_mean, before)


def test_named_layers_and_the_activation_that_follows():
    layers = {"first": "conv1", "middle": "layer2.0"}
    model = torchvision_networks.build(
        classes=CLASSES, name="resnet18", input_size=64, layers=layers
    ).eval()
    assert model.layers == ("first", "middle")
    with torch.no_grad():
        assert (dict(model.walk(images()))["first"] >= 0).all()
        whole = model.network((images() - model.mean) / model.std)
        assert torch.equal(model(images()), whole)


def test_a_saved_network_comes_back(tmp_path):
    architecture = {"kind": "torchvision", "name": "shufflenet_v2_x0_5"}
    model = build("architectures", classes=CLASSES, input_size=64, **architecture).eval()
    files = tmp_path / "weights.safetensors", tmp_path / "model.json"
    save_network(model, *files, architecture=architecture, provenance={})
    loaded = load_network(*files)
    assert torch.equal(loaded(images()), model(images()))
    # What was saved is a checkpoint like any other.
    again = build("architectures", classes=CLASSES, input_size=64, **architecture).eval()
    load_weights(again, files[0])
    assert torch.equal(again(images()), model(images()))


@pytest.mark.parametrize("layers", [["layer1.0.relu"], ["maxpool", "layer3.1.relu"]])
def test_layers_before_an_identity_skip(layers):
    torch.manual_seed(0)
    named = {f"layer{n}": path for n, path in enumerate(layers)}
    settings = {"name": "resnet18", "input_size": 32, "layers": named}
    model = torchvision_networks.build(classes=CLASSES, **settings).eval()
    assert model.is_split
    with torch.no_grad():
        expected = model.network((images(32) - model.mean) / model.std)
        for layer, value in model.walk(images(32)):
            assert (value >= 0).all()
            assert torch.equal(model.resume(layer, value), expected), layer
        assert torch.equal(model(images(32)), expected)


class Forked(nn.Module):
    """Two convolutions, the first of which is needed again after the second."""

    def __init__(self, n_classes=5):
        super().__init__()
        self.first = nn.Conv2d(3, 4, 3, padding=1)
        self.second = nn.Conv2d(4, 4, 3, padding=1)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.last = nn.Linear(4, n_classes)

    def forward(self, pixels):
        one = self.first(pixels).relu()
        two = self.second(one) + one
        return self.last(self.pool(two).flatten(1))


class Undecided(Forked):
    def forward(self, pixels):
        return super().forward(pixels if pixels.mean() > 0 else -pixels)


class Normalising(Forked):
    def __init__(self, n_classes=5):
        super().__init__(n_classes)
        self.register_buffer("mean", torch.full((1, 3, 1, 1), 0.5))
        self.register_buffer("std", torch.full((1, 3, 1, 1), 0.25))

    def forward(self, pixels):
        return super().forward((pixels - self.mean) / self.std)


def test_a_layer_that_later_modules_bypass_is_refused():
    network = Forked()
    assert split_at_layers(network, {"a": "first"}).segments.keys() == {"a"}
    with pytest.raises(ShapebiasError, match="cannot be split at 'second'"):
        split_at_layers(network, {"b": "second"})
    with pytest.raises(UnknownName, match="did you mean 'second'"):
        split_at_layers(network, {"b": "secnd"})
    with pytest.raises(ShapebiasError, match=r"torch\.fx cannot trace it") as error:
        split_at_layers(Undecided(), {"a": "first"})
    assert "\n" not in str(error.value)


HALF = {"mean": [0.5] * 3, "std": [0.25] * 3}
PLAIN = {"mean": [0.0] * 3, "std": [1.0] * 3}


def own(function, **settings):
    path = f"tests.networks.test_split:{function}"
    return factory.build(classes=CLASSES, function=path, input_size=16, **settings)


@torch.no_grad()
def test_a_users_own_network():
    torch.manual_seed(0)
    model = own("Forked", settings={"n_classes": 5}, layers={"a": "first"}, **HALF).eval()
    assert model.layers == ("a",)
    assert torch.equal(model(images(16)), model.network((images(16) - 0.5) / 0.25))


@torch.no_grad()
def test_nothing_normalises_twice():
    with pytest.raises(ShapebiasError, match="normalises its input") as error:
        own("Normalising", **HALF)
    assert "\n" not in str(error.value)
    model = own("Normalising", **PLAIN).eval()
    once = Forked().eval()
    once.load_state_dict(model.network.state_dict(), strict=False)
    expected = once((images(16) - 0.5) / 0.25)
    assert torch.allclose(model(images(16)), expected, atol=1e-6)
    # Nor can a network that was made ready once be made ready again.
    with pytest.raises(ShapebiasError, match="normalises its input"):
        Classifier(
            own("Forked", **HALF),
            segments={},
            tail=[],
            classes=CLASSES,
            input_size=16,
            **HALF,
        )


def test_a_users_module_may_import_torchvision(tmp_path):
    (tmp_path / "theirs.py").write_text(
        "import torchvision\nmake = torchvision.models.squeezenet1_1"
    )
    code = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r}); from shapebias.plugins import build;"
        "build('architectures', kind='factory', function='theirs:make', classes=['a', 'b'],"
        " settings={'num_classes': 2}, mean=[0, 0, 0], std=[1, 1, 1])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("function", "message"),
    [
        ("no_such_package.nets:make", "no module 'no_such_package.nets'"),
        ("tests.networks.test_split:make", "does not name a function"),
        ("tests.networks.test_split", "does not name a function"),
        ("tests.networks.test_split:images", "returns Tensor"),
    ],
)
def test_a_factory_that_is_none(function, message):
    with pytest.raises(ShapebiasError, match=message) as error:
        factory.build(classes=CLASSES, function=function, **HALF)
    assert "\n" not in str(error.value)


def test_a_factory_of_other_classes():
    with pytest.raises(ShapebiasError, match=r"shape \(1, 7\) .* `classes` has 5"):
        own("Forked", settings={"n_classes": 7}, **HALF)


def test_unknown_names_are_refused(timm):
    with pytest.raises(UnknownName, match="did you mean 'resnet18'"):
        torchvision_networks.build(classes=CLASSES, name="resnet19")
    with pytest.raises(UnknownName, match="resnet18"):
        timm_networks.build(classes=CLASSES, name="resnet18x")


ACTIVATIONS = {
    "method": lambda x: x.relu(),
    "in-place method": lambda x: x.relu_(),
    "torch": lambda x: torch.relu(x),
    "torch in place": lambda x: torch.relu_(x),
    "functional in place": lambda x: functional.relu_(x),
    "keyword": lambda x: functional.relu(x, inplace=True),
    "clamp": lambda x: x.clamp(min=0),
    "clamp by position": lambda x: torch.clamp(x, 0),
    "clamp_min": lambda x: x.clamp_min(0),
    "silu": functional.silu,
    "leaky_relu": functional.leaky_relu,
    "hardtanh": lambda x: functional.hardtanh(x, 0.0, 0.1),
    "gelu": functional.gelu,
    "tanh": lambda x: x.tanh(),
    **{
        type(module).__name__: module
        for module in (nn.ELU(), nn.PReLU(), nn.Mish(), nn.SELU(), nn.Softplus(), nn.ReLU())
    },
}


class Activated(nn.Module):
    """Two convolutions, the first followed by batch norm and an activation function."""

    def __init__(self, activation):
        super().__init__()
        self.first, self.norm = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)
        self.second, self.last = nn.Conv2d(4, 4, 3), nn.Linear(4, len(CLASSES))
        self.activation = activation

    def forward(self, pixels):
        maps = self.second(self.activation(self.norm(self.first(pixels))))
        return self.last(maps.mean((2, 3)))


@pytest.mark.parametrize("name", ACTIVATIONS)
@torch.no_grad()
def test_a_layer_is_the_output_of_the_activation_function_however_it_is_called(name):
    torch.manual_seed(0)
    network = Activated(ACTIVATIONS[name]).eval()
    settings = {"classes": CLASSES, "input_size": 16, "stages": [], **PLAIN}
    model = wrap_network(network, layers={"a": "first", "b": "second"}, **settings).eval()
    assert model.is_split
    before = network.norm(network.first(images(16)))
    (_, first), (_, second) = model.walk(images(16))
    assert torch.equal(first, ACTIVATIONS[name](before.clone()))
    assert not torch.equal(first, before)
    assert torch.equal(second, network.second(first))


@torch.no_grad()
def test_a_clamp_to_another_bound_is_not_an_activation_function():
    network = Activated(lambda x: x.clamp(min=-1)).eval()
    settings = {"classes": CLASSES, "input_size": 16, "stages": [], **PLAIN}
    model = wrap_network(network, layers={"a": "first"}, **settings).eval()
    ((_, first),) = model.walk(images(16))
    assert torch.equal(first, network.first(images(16)))


class Viewing(Activated):
    """Flattens by `view`, which fails on channels-last memory."""

    def __init__(self):
        super().__init__(torch.relu)
        self.last = nn.Linear(4 * 12 * 12, len(CLASSES))

    def forward(self, pixels):
        maps = self.second(self.activation(self.norm(self.first(pixels))))
        return self.last(maps.view(maps.size(0), -1))


def test_a_network_that_flattens_by_view_takes_channels_last_images():
    torch.manual_seed(0)
    network = Viewing().eval()
    settings = {"classes": CLASSES, "input_size": 16, "stages": [], **PLAIN}
    model = wrap_network(network, layers={"a": "first"}, **settings).eval()
    expected = network(images(16))
    channels_last = images(16).to(memory_format=torch.channels_last)
    torch.testing.assert_close(model(channels_last), expected)
    torch.testing.assert_close(fold(model)(channels_last), expected)
    attack = build("attacks", kind="pgd", norm="l2", eps=0.5, step=0.2, steps=2)
    labels = torch.zeros(2, dtype=torch.long)
    assert attack(fold(model), channels_last, labels).shape == channels_last.shape
