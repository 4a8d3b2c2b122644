"""Networks that cannot be split give the same results through forward hooks."""

import pandas as pd
import pytest
import torch
from torch import nn
from torch.nn import functional

from shapebias.ablation.channels import ablate
from shapebias.ablation.scores import CHANGES, FLIPS
from shapebias.errors import ShapebiasError, UnknownLayer
from shapebias.networks.channel_parts import channels_of_part
from shapebias.networks.fold import fold
from shapebias.networks.wrapping.hooked import HookedClassifier
from shapebias.networks.wrapping.wrap import wrap_network

STAGES = {"first": "first", "second": "second"}
SETTINGS = {"classes": tuple("abc"), "mean": [0.0] * 3, "std": [1.0] * 3, "input_size": 12}


class Plain(nn.Module):
    """Two convolutions in a row; the ReLUs are modules, so that both kinds have the same layers."""

    def __init__(self):
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU())
        self.second = nn.Sequential(nn.Conv2d(4, 5, 3), nn.ReLU())
        self.last = nn.Linear(5, 3)

    def forward(self, pixels):
        return self.last(self.second(self.first(pixels)).mean(dim=(2, 3)))


class Functional(Plain):
    """The same, but its code asks for values, so that it is no fixed graph."""

    def forward(self, pixels):
        maps = self.second(self.first(pixels))
        if maps.sum() < 0:
            raise ValueError("after a ReLU nothing is below zero")
        return functional.linear(maps.mean(dim=(2, 3)), self.last.weight, self.last.bias)


class Around(Plain):
    """What follows the second stage needs the first one's output as well."""

    def forward(self, pixels):
        first = self.first(pixels)
        second = self.second(first)
        return self.last(second.mean(dim=(2, 3)) + first.mean(dim=(1, 2, 3))[:, None])


class Auxiliary(Plain):
    """A head besides that is left unread."""

    def __init__(self):
        super().__init__()
        self.head = nn.Conv2d(4, 2, 1)

    def forward(self, pixels):
        first = self.first(pixels)
        second = self.second(first)
        self.head(first).mean()
        return self.last(second.mean(dim=(2, 3)))


class Dropping(Plain):
    """In training mode half of the features are dropped by a function, and a head answers too."""

    def forward(self, pixels):
        maps = self.second(self.first(pixels))
        mean, variance = torch.zeros(5), torch.ones(5)
        maps = functional.batch_norm(maps, mean, variance, training=self.training)
        scores = self.last(functional.dropout(maps.mean(dim=(2, 3)), 0.5, self.training))
        return (scores, scores) if self.training else scores


class InPlace(Plain):
    """What a step is given is read on, after the step has changed it."""

    def forward(self, pixels):
        first = self.first(pixels)
        second = self.second(first)
        second.mul_(2)
        return self.last(second.mean(dim=(2, 3)))


class Unregistered(Plain):
    """Steps that torch does not know to be the network's."""

    steps = (nn.Identity(),)

    def forward(self, pixels):
        return super().forward(self.steps[0](pixels))


def built(kind, layers=STAGES, stages=(), like=None):
    torch.manual_seed(1)
    network = kind()
    if like is not None:
        network.load_state_dict(like.state_dict())
    return wrap_network(network, layers=layers, stages=stages, **SETTINGS).eval()


@torch.no_grad()
def conflict(model, number=10):
    """Images whose decisions vary, half of them decided by shape and half by texture."""
    images = torch.rand(number, 3, 12, 12)
    model.network.last.bias -= model(images).mean(dim=0)
    decided = [model.classes[i] for i in model(images).argmax(dim=1)]
    other = [model.classes[model.classes.index(name) - 1] for name in decided]
    half = number // 2
    shapes, textures = decided[:half] + other[half:], other[:half] + decided[half:]
    return images, [str(i) for i in range(number)], shapes, textures


@pytest.mark.parametrize("kind", [Plain, Auxiliary])
def test_a_network_that_can_be_split_is_split(kind, capsys):
    assert built(kind).is_split
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("kind", [Functional, Around, InPlace, Unregistered])
def test_a_network_that_cannot_be_split_is_read_through_hooks(kind, capsys):
    model = built(kind)
    assert type(model) is HookedClassifier
    (line,) = capsys.readouterr().out.splitlines()
    assert "cannot be split" in line
    assert "runs the whole network" in line
    assert "before any activation function that is not a module" in line


def test_a_hooked_network_gives_the_same_scores_as_one_that_is_split():
    plain = built(Plain)
    given = conflict(plain)
    hooked = built(Functional, like=plain.network)
    assert hooked.channels() == plain.channels() == {"first": 4, "second": 5}
    assert torch.equal(hooked(given[0]), plain(given[0]))
    for (name, one), (other, two) in zip(hooked.walk(given[0]), plain.walk(given[0]), strict=True):
        assert name == other
        assert torch.equal(one, two)
    (scores, flips), (found, found_flips) = (ablate(m, *given, batch=4) for m in (plain, hooked))
    assert scores["shape_score"].sum() > 0
    pd.testing.assert_frame_equal(found.drop(columns=CHANGES), scores.drop(columns=CHANGES))
    assert (found[CHANGES] - scores[CHANGES]).abs().max(axis=None) < 1.1e-5
    names = ["layer", "channel", *FLIPS[:3]]
    pd.testing.assert_frame_equal(found_flips[names], flips[names])


@pytest.mark.parametrize("kind", [Around, Auxiliary, InPlace])
def test_silencing_is_that_of_the_whole_network(kind):
    model = built(kind)
    given = conflict(model)
    scores, flips = ablate(model, *given, batch=3)
    expected = []
    for layer, number in model.channels().items():
        for channel in range(number):
            module = model.network.get_submodule(layer)
            hook = module.register_forward_hook(
                lambda _, __, out, c=channel: out * (torch.arange(out.shape[1]) != c)[:, None, None]
            )
            after = model.network(given[0]).argmax(dim=1)
            hook.remove()
            before = model.network(given[0]).argmax(dim=1)
            expected += [
                (layer, channel, given[1][i]) for i in (before != after).nonzero().flatten()
            ]
    assert list(flips.iloc[:, :3].itertuples(index=False, name=None)) == expected
    assert len(scores) == 9
    assert len(expected) > 0


def test_functions_of_the_mode_act_in_training():
    model = built(Dropping)
    assert model.is_split
    images = torch.rand(4, 3, 12, 12)
    torch.manual_seed(0)
    trained = model.train()(images)
    torch.manual_seed(0)
    assert torch.equal(trained, model.network(images)[0])
    assert not torch.equal(trained, model(images))
    folded = fold(model)(images)
    model.eval()
    assert torch.equal(model(images), model.network(images))
    assert torch.allclose(folded, model(images), atol=1e-5)
    model.train()
    with model.ablated("second", range(5)):
        ablated = model(images)
    assert torch.allclose(ablated, model.network.last.bias.expand(4, 3))


def test_layers_are_found_where_none_are_named():
    model = built(Functional, layers=None, stages=["first", "second", "last"])
    assert model.layers == ("first", "second")
    model.train()
    model.channels()
    assert model.training


def test_a_network_without_maps_is_measured_by_what_it_decides(capsys):
    model = built(Functional, layers=None, stages=["last"]).eval()
    assert "but not its layers" in capsys.readouterr().out
    assert model.layers == () and model.channels() == {}
    images = torch.rand(2, 3, 12, 12)
    assert torch.equal(model(images), built(Functional)(images))
    settings = {"parts": 1, "layer_groups": 1}
    assert channels_of_part(model, 0, settings) == {}


@pytest.mark.parametrize(
    ("layers", "error", "message"),
    [
        ({"a": "secnd"}, UnknownLayer, "did you mean 'second'"),
        ({"a": "last"}, ShapebiasError, "no feature maps at last"),
    ],
)
def test_mistakes_are_named(layers, error, message):
    with pytest.raises(error, match=message) as raised:
        built(Functional, layers=layers)
    assert "\n" not in str(raised.value)
    with pytest.raises(UnknownLayer, match="first, second"):
        built(Functional).check_layer("third")
