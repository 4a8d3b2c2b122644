import copy

import pytest
import torch
from torch import nn

from shapebias.dissection.randomised_network import randomise_weights
from shapebias.errors import UnknownName
from shapebias.plugins import build
from tests.helpers.planted_networks import network


class Scaled(nn.Module):
    """Module with a weight and without `reset_parameters`."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.arange(6.0))

    def forward(self, maps):
        return maps * self.scale[:, None, None]


def trained_network():
    torch.manual_seed(0)
    layers = {"conv": [nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6), Scaled(), nn.ReLU()]}
    model = network(layers, [nn.AdaptiveAvgPool2d(1), nn.Flatten()], classes="abcdef", size=8)
    model.network[1].running_mean += torch.arange(6.0)
    model.network[1].weight.data += torch.arange(6.0)
    return model


def randomised(model, control, seed):
    """State dict of a randomised copy of a network."""
    model = copy.deepcopy(model)
    randomise_weights(model, control, seed=seed)
    return model.network.state_dict()


def test_shuffled_weights_have_the_same_values():
    model = trained_network()
    before, after = model.network.state_dict(), randomised(model, "shuffled", 0)
    for name, tensor in before.items():
        assert sorted(after[name].flatten().tolist()) == sorted(tensor.flatten().tolist())
    moved = [name for name, tensor in before.items() if not after[name].equal(tensor)]
    assert {"0.weight", "0.bias", "1.weight", "1.running_mean", "2.scale"} <= set(moved)


def test_random_weights_are_initialised_again():
    model = trained_network()
    before, after = model.network.state_dict(), randomised(model, "random", 1)
    assert not set(after["0.weight"].flatten().tolist()) & set(
        before["0.weight"].flatten().tolist()
    )
    assert after["1.running_mean"].tolist() == [0.0] * 6
    assert after["1.weight"].tolist() == [1.0] * 6
    # A tensor of a module without reset_parameters is shuffled.
    assert sorted(after["2.scale"].tolist()) == [0.0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize("control", ["random", "shuffled"])
def test_a_seed_determines_the_control_and_global_random_numbers_are_unchanged(control):
    model = build(
        "architectures", kind="resnet", depth=18, width=0.125, classes=["a"], input_size=64
    )
    torch.manual_seed(5)
    first, repeated, other = (randomised(model, control, seed) for seed in (1, 1, 2))
    drawn = torch.rand(1)
    torch.manual_seed(5)
    assert torch.rand(1) == drawn
    assert all(first[name].equal(tensor) for name, tensor in repeated.items())
    assert not first["layer1.0.conv1.weight"].equal(other["layer1.0.conv1.weight"])


def test_an_unknown_control_is_an_error():
    with pytest.raises(UnknownName, match="shuffled"):
        randomise_weights(trained_network(), "shufled", seed=0)
