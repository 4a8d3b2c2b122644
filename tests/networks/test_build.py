"""Images of a size that a network cannot take are told in one line, with the least that it can."""

import pytest
import torch
from torch import nn

from shapebias.errors import ShapebiasError
from shapebias.networks.build import build_network

CLASSES = ["one", "other"]
SMALL = {"kind": "alexnet", "width": 0.125}


@pytest.mark.parametrize(
    ("architecture", "size", "least"),
    [
        (SMALL, 32, 63),
        (SMALL | {"stem": "small"}, 16, 35),
        ({"kind": "torchvision", "name": "squeezenet1_1"}, 8, 17),
    ],
    ids=["alexnet", "alexnet small", "squeezenet"],
)
def test_the_least_size_is_told(architecture, size, least):
    with pytest.raises(ShapebiasError, match=f"the least are {least}: bring them to it") as caught:
        build_network(architecture, CLASSES, size)
    assert "\n" not in str(caught.value)
    assert build_network(architecture, CLASSES, least)(torch.rand(2, 3, least, least)).shape == (
        2,
        2,
    )
    with pytest.raises(ShapebiasError):
        build_network(architecture, CLASSES, least - 1)


def test_another_stem_is_told_where_it_helps():
    with pytest.raises(ShapebiasError, match=r"or choose `stem: small` \(") as caught:
        build_network(SMALL, CLASSES, 48)
    assert "alexnet cannot take images of 48 pixels" in str(caught.value)
    with pytest.raises(ShapebiasError) as caught:
        build_network(SMALL, CLASSES, 16)
    assert "stem" not in str(caught.value)


def own(function):
    given = {"mean": [0.0] * 3, "std": [1.0] * 3}
    return {"kind": "factory", "function": f"tests.networks.test_build:{function}", **given}


def test_a_network_for_one_size_alone():
    with pytest.raises(ShapebiasError, match="images of 256 pixels, but those of 224"):
        build_network(own("rigid"), CLASSES, 256)


class Rigid(nn.Linear):
    """A network that takes images of one size, as transformers do."""

    def forward(self, images):
        assert images.shape[-1] == 224, "Wrong image height!"
        return super().forward(images[:, :, 0, 0])


def rigid():
    return Rigid(3, 2)


class Broken(nn.Linear):
    """A user's network that fails whatever it is given."""

    def forward(self, images):
        raise ValueError("a mistake of the user's own")


def broken():
    return Broken(1, 1)


def test_what_fails_at_every_size_is_told_as_it_is():
    with pytest.raises(ShapebiasError, match=r"fails on .* 32×32 pixels: ValueError: .*user's own"):
        build_network(own("broken"), CLASSES, 32)


def test_no_least_size_is_told_where_larger_ones_fail():
    with pytest.raises(ShapebiasError, match="images of 50 pixels, but those of 64: bring"):
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
    ("function", "said"),
    [
        ("needing", "needing missing a required argument: 'width'"),
        ("raising", r"raising raises KeyError: 'no such entry' \(.*test_build.py, line \d+\)"),
        ("scripted", "is a ScriptModule, which hides its layers"),
        ("parallel", "is a DataParallel, which hides its layers: give its `.module`"),
        ("half", r"has weight in float16: call `.float\(\)` on the network"),
    ],
)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_functions_that_fail_are_told_in_one_line(function, said):
    with pytest.raises(ShapebiasError, match=said) as caught:
        build_network(own(function), CLASSES, 32)
    assert "\n" not in str(caught.value)


def test_settings_that_a_function_does_not_take():
    with pytest.raises(ShapebiasError, match=r"rigid got an unexpected keyword argument 'depth'"):
        build_network(own("rigid") | {"settings": {"depth": 3}}, CLASSES, 32)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("import math\nimport nothing_of_that_name\n", r"ModuleNotFoundError: .*py, line 2\)"),
        ("1 / 0\n", r"ZeroDivisionError: .*py, line 1\)"),
        ("def make(:\n", r"SyntaxError: .*line 1\)"),
    ],
    ids=["import", "value", "syntax"],
)
def test_a_module_that_cannot_be_imported_is_told(tmp_path, monkeypatch, text, said):
    monkeypatch.syspath_prepend(tmp_path)
    name = f"unimportable_{len(text)}"
    (tmp_path / f"{name}.py").write_text(text)
    architecture = own("x") | {"function": f"{name}:make"}
    with pytest.raises(ShapebiasError, match=f"importing {name} raises {said}") as caught:
        build_network(architecture, CLASSES, 32)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"num_classes": 5}, "num_classes is no setting here: the number of classes follows"),
        ({"pretrained": True}, "pretrained is no setting here: give `weights`"),
        ({"in_chans": 1}, "in_chans is no setting"),
        ({"features_only": True}, "features_only is no setting"),
        ({"checkpoint_path": "x.pth"}, "checkpoint_path is no setting"),
        (
            {"global_pool": ""},
            "resnet10t fails on an image of 32×32 pixels: RuntimeError: mat1",
        ),
        ({"widht": 3}, "takes no such settings"),
    ],
    ids=lambda one: next(iter(one)) if isinstance(one, dict) else "",
)
def test_timms_settings_that_the_workflow_gives_itself(settings, said):
    pytest.importorskip("timm")
    with pytest.raises(ShapebiasError, match=said) as caught:
        build_network({"kind": "timm", "name": "resnet10t", "settings": settings}, CLASSES, 32)
    assert "\n" not in str(caught.value)


def test_timms_transformers_that_cannot_be_made():
    pytest.importorskip("timm")
    settings = {"embed_dim": 30, "num_heads": 4, "depth": 1}
    with pytest.raises(ShapebiasError, match=r"cannot be made .*Error: ") as caught:
        build_network(
            {"kind": "timm", "name": "vit_tiny_patch16_224", "settings": settings}, CLASSES, 32
        )
    assert "\n" not in str(caught.value)


def test_building_draws_what_the_plugin_draws_and_no_more():
    def state():
        torch.manual_seed(3)
        network = build_network(SMALL, CLASSES, 64)
        assert network.training
        return network.state_dict(), torch.rand(1)

    (one, drawn), (other, again) = state(), state()
    assert torch.equal(drawn, again)
    assert all(torch.equal(one[key], other[key]) for key in one)
