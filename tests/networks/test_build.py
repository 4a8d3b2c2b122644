"""Networks that do not accept an image size name a size that they accept."""

import pytest
import torch
from torch import nn

from shapebias.errors import ShapebiasError
from shapebias.networks.build import build_network

CLASSES = ["circle", "square"]
SMALL = {"kind": "alexnet", "width": 0.125}


@pytest.mark.parametrize(
    ("architecture", "size", "smallest"),
    [
        (SMALL, 32, 63),
        (SMALL | {"stem": "small"}, 16, 35),
        ({"kind": "torchvision", "name": "squeezenet1_1"}, 8, 17),
    ],
    ids=["alexnet", "alexnet small", "squeezenet"],
)
def test_the_error_names_the_smallest_size(architecture, size, smallest):
    with pytest.raises(
        ShapebiasError, match=f"at least {smallest} pixels, not {size}: set"
    ) as caught:
        build_network(architecture, CLASSES, size)
    assert "\n" not in str(caught.value)
    model = build_network(architecture, CLASSES, smallest)
    assert model(torch.rand(2, 3, smallest, smallest)).shape == (2, 2)
    with pytest.raises(ShapebiasError):
        build_network(architecture, CLASSES, smallest - 1)


def test_the_error_names_a_stem_that_accepts_the_size():
    with pytest.raises(ShapebiasError, match=r"or choose `stem: small` \(") as caught:
        build_network(SMALL, CLASSES, 48)
    assert "alexnet needs images of at least 63 pixels, not 48" in str(caught.value)
    with pytest.raises(ShapebiasError) as caught:
        build_network(SMALL, CLASSES, 16)
    assert "stem" not in str(caught.value)


def factory_of(function):
    pixels = {"mean": [0.0] * 3, "std": [1.0] * 3}
    return {"kind": "factory", "function": f"tests.networks.test_build:{function}", **pixels}


def test_a_network_for_one_size():
    with pytest.raises(ShapebiasError, match="images of 256 pixels, but accepts 224"):
        build_network(factory_of("rigid"), CLASSES, 256)


class Rigid(nn.Linear):
    """A network that accepts images of one size, as transformers do."""

    def forward(self, images):
        assert images.shape[-1] == 224, "Wrong image height!"
        return super().forward(images[:, :, 0, 0])


def rigid():
    return Rigid(3, 2)


class Broken(nn.Linear):
    """A user's network that fails for every input."""

    def forward(self, images):
        raise ValueError("a mistake of the user's own")


def broken():
    return Broken(1, 1)


def test_an_error_at_every_size_is_shown_unchanged():
    with pytest.raises(ShapebiasError, match=r"fails on .* 32×32 pixels: ValueError: .*user's own"):
        build_network(factory_of("broken"), CLASSES, 32)


def test_no_smallest_size_is_named_where_larger_ones_fail():
    with pytest.raises(ShapebiasError, match="images of 50 pixels, but accepts 64: set"):
        build_network({"kind": "torchvision", "name": "vit_b_16"}, CLASSES, 50)


def needing(width):
    return nn.Linear(3, width)


def raising():
    raise KeyError("no such entry")


def scripted():
    return torch.jit.trace(nn.Flatten(), torch.zeros(1, 3, 8, 8))


def parallel():
    return nn.DataParallel(rigid())


def half():
    return rigid().half()


@pytest.mark.parametrize(
    ("function", "message"),
    [
        ("needing", "needing missing a required argument: 'width'"),
        ("raising", r"raising raises KeyError: 'no such entry' \(.*test_build.py, line \d+\)"),
        ("scripted", "is a ScriptModule, which hides its layers"),
        ("parallel", "is a DataParallel, which hides its layers: give its `.module`"),
        ("half", r"has weight in float16: call `.float\(\)` on the network"),
    ],
)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_functions_that_fail_give_an_error_of_one_line(function, message):
    with pytest.raises(ShapebiasError, match=message) as caught:
        build_network(factory_of(function), CLASSES, 32)
    assert "\n" not in str(caught.value)


def test_settings_that_a_function_does_not_accept():
    with pytest.raises(ShapebiasError, match=r"rigid got an unexpected keyword argument 'depth'"):
        build_network(factory_of("rigid") | {"settings": {"depth": 3}}, CLASSES, 32)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("import math\nimport nothing_of_that_name\n", r"ModuleNotFoundError: .*py, line 2\)"),
        ("1 / 0\n", r"ZeroDivisionError: .*py, line 1\)"),
        ("def make(:\n", r"SyntaxError: .*line 1\)"),
    ],
    ids=["import", "value", "syntax"],
)
def test_a_module_that_cannot_be_imported(tmp_path, monkeypatch, text, message):
    monkeypatch.syspath_prepend(tmp_path)
    name = f"unimportable_{len(text)}"
    (tmp_path / f"{name}.py").write_text(text)
    architecture = factory_of("x") | {"function": f"{name}:make"}
    with pytest.raises(ShapebiasError, match=f"importing {name} raises {message}") as caught:
        build_network(architecture, CLASSES, 32)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"num_classes": 5}, "num_classes cannot be set: the number of classes follows"),
        ({"pretrained": True}, "pretrained cannot be set: give `weights`"),
        ({"in_chans": 1}, "in_chans cannot be set"),
        ({"features_only": True}, "features_only cannot be set"),
        ({"checkpoint_path": "x.pth"}, "checkpoint_path cannot be set"),
        (
            {"global_pool": ""},
            "resnet10t fails on an image of 32×32 pixels: RuntimeError: mat1",
        ),
        ({"widht": 3}, "does not accept these settings"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_timms_settings_that_the_workflow_sets(settings, message):
    pytest.importorskip("timm")
    with pytest.raises(ShapebiasError, match=message) as caught:
        build_network({"kind": "timm", "name": "resnet10t", "settings": settings}, CLASSES, 32)
    assert "\n" not in str(caught.value)


def test_timms_transformers_that_cannot_be_built():
    pytest.importorskip("timm")
    settings = {"embed_dim": 30, "num_heads": 4, "depth": 1}
    with pytest.raises(ShapebiasError, match=r"cannot be built .*Error: ") as caught:
        build_network(
            {"kind": "timm", "name": "vit_tiny_patch16_224", "settings": settings}, CLASSES, 32
        )
    assert "\n" not in str(caught.value)


def test_building_draws_no_more_than_the_plugin():
    def state():
        torch.manual_seed(3)
        network = build_network(SMALL, CLASSES, 64)
        assert network.training
        return network.state_dict(), torch.rand(1)

    (first, first_draw), (second, second_draw) = state(), state()
    assert torch.equal(first_draw, second_draw)
    assert all(torch.equal(first[key], second[key]) for key in first)
