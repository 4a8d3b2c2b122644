"""Images of a size that a network cannot take are told in one line, with the least that it can."""

import pytest
import torch
from torch import nn

from shapebias.building import built
from shapebias.errors import ShapebiasError

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
        built(architecture, CLASSES, size)
    assert "\n" not in str(caught.value)
    assert built(architecture, CLASSES, least)(torch.rand(2, 3, least, least)).shape == (2, 2)
    with pytest.raises(ShapebiasError):
        built(architecture, CLASSES, least - 1)


def test_another_stem_is_told_where_it_helps():
    with pytest.raises(ShapebiasError, match=r"or choose `stem: small` \(") as caught:
        built(SMALL, CLASSES, 48)
    assert "alexnet cannot take images of 48 pixels" in str(caught.value)
    with pytest.raises(ShapebiasError) as caught:
        built(SMALL, CLASSES, 16)
    assert "stem" not in str(caught.value)


def own(function):
    given = {"mean": [0.0] * 3, "std": [1.0] * 3}
    return {"kind": "factory", "function": f"tests.test_building:{function}", **given}


def test_a_network_for_one_size_alone():
    with pytest.raises(ShapebiasError, match="images of 256 pixels, but those of 224"):
        built(own("rigid"), CLASSES, 256)


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
    with pytest.raises(ValueError, match="of the user's own"):
        built(own("broken"), CLASSES, 32)


def test_building_draws_what_the_plugin_draws_and_no_more():
    def state():
        torch.manual_seed(3)
        network = built(SMALL, CLASSES, 64)
        assert network.training
        return network.state_dict(), torch.rand(1)

    (one, drawn), (other, again) = state(), state()
    assert torch.equal(drawn, again)
    assert all(torch.equal(one[key], other[key]) for key in one)
