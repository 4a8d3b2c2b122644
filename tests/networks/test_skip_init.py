"""Networks built without drawing initial weights."""

import pytest
import torch

from shapebias.networks.skip_init import skip_weight_init
from shapebias.plugins import build
from tests.helpers.small_resnets import CLASSES


@pytest.mark.parametrize("kind", ["alexnet", "googlenet", "resnet"])
def test_skipped_initialisation_keeps_the_buffers(kind):
    settings = {"classes": CLASSES, "input_size": 64, "kind": kind, "width": 0.125}
    usual = build("architectures", **settings)
    with skip_weight_init():
        quick = build("architectures", **settings)
    buffers = dict(quick.named_buffers())
    assert buffers.keys() == dict(usual.named_buffers()).keys()
    for name, value in usual.named_buffers():
        assert torch.equal(value, buffers[name]), name


@pytest.fixture
def poisoned(monkeypatch):
    """New memory holds infinities, and a loop that redraws without end is stopped."""
    empty, where, calls = torch.empty, torch.where, []

    def watched(*arguments):
        calls.append(1)
        assert len(calls) < 20, "redraws without end"
        return where(*arguments)

    monkeypatch.setattr(torch, "empty", lambda *a, **k: empty(*a, **k).fill_(float("inf")))
    monkeypatch.setattr(torch, "where", watched)


def test_skipped_initialisation_ends_where_weights_must_be_in_a_range(poisoned):
    with skip_weight_init():
        build("architectures", classes=CLASSES, kind="torchvision", name="convnext_tiny")


@pytest.mark.parametrize(
    ("mean", "low", "high"), [(0, -2, 2), (-0.1, 0, 5), (3, 0, 2), (-3, 0, 2), (5, 0, 2)]
)
@pytest.mark.filterwarnings("ignore:mean is more than 2 std")
def test_truncated_normal_values_are_in_range_without_draws(poisoned, mean, low, high):
    state = torch.get_rng_state()
    with skip_weight_init():
        values = torch.nn.init.trunc_normal_(torch.empty(3), mean, 1.0, low, high)
    assert ((values >= low) & (values <= high)).all()
    assert torch.equal(torch.get_rng_state(), state)
