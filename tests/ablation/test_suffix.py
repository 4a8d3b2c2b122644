import pytest
import torch
from torch import nn

from shapebias.ablation.ablated_values import AblationPairs
from shapebias.ablation.stable_decisions import ROUNDING, nearly_tied
from shapebias.ablation.suffix import Suffixes
from shapebias.ablation.suffix_graph import PackedLinear, suffix_graph
from shapebias.networks.decisions import EntryLevel
from shapebias.networks.eval_mode import eval_without_gradients
from shapebias.networks.fx_graph import traceable
from shapebias.plugins import build
from tests.helpers.planted_networks import network


def relative_errors(model, images):
    """Largest difference from full runs for each channel, relative to the largest score."""
    with eval_without_gradients(model):
        suffixes = Suffixes(model)
        for layer, activation in model.walk(images):
            number = activation.shape[1]
            channel = torch.arange(0, number, max(1, number // 5)).repeat_interleave(len(images))
            image = torch.arange(len(images)).repeat(len(channel) // len(images))
            scores = suffixes.suffix(layer, activation).scores(AblationPairs(image, channel))
            for ablated in channel.unique().tolist():
                with model.ablated(layer, [ablated]):
                    expected = model(images)
                error = (scores[channel == ablated] - expected).abs().max()
                yield error / expected.abs().max()


def with_batch_statistics(model):
    """Give the batch norms of a network random statistics and weights."""
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.2)
            module.running_var.uniform_(0.5, 2)
            module.weight.data.uniform_(0.5, 1.5)
            module.bias.data.normal_(0, 0.2)
    return model


@pytest.mark.parametrize(
    "settings",
    [
        {"kind": "alexnet", "width": 0.5},
        {"kind": "googlenet", "width": 0.25},
        {"kind": "resnet", "depth": 18, "width": 0.25},
        {"kind": "resnet", "depth": 50, "width": 0.125},
    ],
    ids=str,
)
def test_scores_equal_those_of_the_network(settings):
    torch.manual_seed(0)
    model = with_batch_statistics(
        build("architectures", classes=list("abcdef"), input_size=64, **settings)
    )
    before = {name: value.clone() for name, value in model.state_dict().items()}
    assert max(relative_errors(model, torch.rand(3, 3, 64, 64))) < ROUNDING / 10
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


class Branching(nn.Module):
    """Module whose code depends on the values, so that it cannot be traced."""

    def forward(self, values):
        return values * 2 if values.sum() > 0 else values


class Shared(nn.Module):
    """Module that reads its input three times: directly, in place, by a grouped convolution."""

    def __init__(self):
        super().__init__()
        self.grouped = nn.Conv2d(4, 4, 3, padding=1, groups=2)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, values):
        grouped = self.grouped(values)
        grouped += values
        return torch.cat([self.relu(grouped), values.softmax(dim=1)], dim=1)


@pytest.mark.parametrize("middle", [Branching(), Shared(), nn.Sequential(Shared(), Branching())])
def test_modules_that_are_not_a_chain_of_known_operations(middle):
    torch.manual_seed(1)
    first = [nn.Conv2d(3, 4, 3), nn.ReLU()]
    tail = [nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.LazyLinear(5)]
    model = network({"first": first, "second": [middle]}, tail, classes=tuple("abcde"), size=12)
    images = torch.rand(4, 3, 12, 12)
    model(images)
    assert max(relative_errors(model, images)) < ROUNDING / 10


@pytest.mark.parametrize(
    "convolution",
    [
        nn.Conv2d(4, 5, (3, 2), stride=(2, 1), padding=(1, 0), dilation=(1, 2)),
        nn.Conv2d(4, 5, 3, padding="same"),
        nn.Conv2d(4, 5, 3, padding=1, padding_mode="reflect"),
        nn.Conv2d(4, 6, 1, stride=2, bias=False),
    ],
    ids=str,
)
def test_every_kind_of_convolution(convolution):
    first = [nn.Conv2d(3, 4, 3), nn.ReLU()]
    model = network(
        {"first": first, "second": [nn.MaxPool2d(3, 2, padding=1), convolution, nn.ReLU()]},
        [nn.AvgPool2d(2), nn.Flatten(1), nn.LazyLinear(5)],
        classes=tuple("abcde"),
        size=15,
    )
    images = torch.rand(2, 3, 15, 15)
    model(images)
    assert max(relative_errors(model, images)) < ROUNDING / 10


@pytest.mark.parametrize("factor", [1e4, 1e5, 1e6])
@pytest.mark.parametrize("seed", range(3))
def test_a_channel_that_dominates_all_others(factor, seed):
    torch.manual_seed(seed)
    first, second, hidden = nn.Conv2d(3, 6, 3), nn.Conv2d(6, 8, 3, stride=2), nn.Linear(128, 32)
    for module in (first, second):
        module.weight.data[0] *= factor
    layers = {"first": [first, nn.ReLU()], "second": [second, nn.ReLU(), nn.MaxPool2d(2)]}
    tail = [nn.Flatten(), hidden, nn.ReLU(), nn.Linear(32, 5)]
    model = network(layers, tail, classes=tuple("abcde"), size=20)
    assert max(relative_errors(model, torch.rand(4, 3, 20, 20))) < ROUNDING / 10
    # With this tail the scores without a channel are a closed form.
    tail = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 5)]
    model = network(layers, tail, classes=tuple("abcde"), size=20)
    assert max(relative_errors(model, torch.rand(4, 3, 20, 20))) < ROUNDING / 10


class Auxiliary(nn.Module):
    """Module with a head and a ReLU whose outputs are not used."""

    def __init__(self, inplace):
        super().__init__()
        self.head, self.main = nn.Conv2d(4, 2, 1), nn.Conv2d(4, 4, 3)
        self.relu = nn.ReLU(inplace)

    def forward(self, values):
        self.head(values)
        self.relu(values)
        return self.main(values)


class ReusedInput(Auxiliary):
    """Module that uses the input of a ReLU again, after the ReLU may have changed it in place."""

    def forward(self, values):
        return self.main(self.relu(values)) + values[:, :, 1:-1, 1:-1]


@pytest.mark.parametrize("inplace", [False, True])
@pytest.mark.parametrize("kind", [Auxiliary, ReusedInput])
def test_unused_outputs_and_values_changed_in_place(kind, inplace):
    torch.manual_seed(0)
    block, tail = kind(inplace), [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 5)]
    layers = {"first": [nn.Conv2d(3, 4, 3)], "second": [block]}
    model = network(layers, tail, classes=tuple("abcde"), size=12)
    assert max(relative_errors(model, torch.rand(4, 3, 12, 12))) < ROUNDING / 10
    assert traceable(block) != inplace


def test_batch_norms_are_folded_and_an_untraceable_module_is_one_operation():
    with eval_without_gradients(nn.Identity()):
        modules = [nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), Branching()]
        graph = suffix_graph([module.eval() for module in modules])
    called = [type(graph.get_submodule(n.target)) for n in graph.graph.nodes if n.op[-4:] == "dule"]
    assert called == [nn.Conv2d, Branching]
    assert not traceable(Branching())
    assert traceable(Shared())


def test_a_packed_layer_gives_equal_outputs():
    torch.manual_seed(0)
    linear = nn.Linear(1024, 1024).eval()
    with torch.inference_mode():
        (packed,) = (m for m in suffix_graph([linear]).modules() if isinstance(m, PackedLinear))
        values = torch.randn(5, 1024)
        assert torch.allclose(packed(values), linear(values), atol=1e-5)
    assert packed.weight is linear.weight


def test_near_ties():
    scores = torch.tensor([[1.0, 1.0, 0.0], [1.0, 1 - ROUNDING / 2, 0.0], [1.0, 0.9, 0.0]])
    own, entry = EntryLevel("abc"), EntryLevel("abc", {"a": "x", "b": "y"})
    assert nearly_tied(scores, own).tolist() == [True, True, False]
    assert nearly_tied(scores, entry).tolist() == [True, True, False]
    # The gap exceeds the rounding of the scores, but not that of the softmax.
    small = torch.tensor([[1e-4, 0.0, 0.0]])
    assert nearly_tied(small, own).tolist() == [False]
    assert nearly_tied(small, entry).tolist() == [True]
    underflown = torch.tensor([[0.0, 0.0, 1000.0]])
    assert nearly_tied(underflown, entry).tolist() == [True]
    assert nearly_tied(torch.ones(2, 1), EntryLevel("a")).tolist() == [False, False]
