"""Weights with other names, shapes, precisions or values than a network's."""

import pytest
import torch

from shapebias.errors import ShapebiasError
from shapebias.networks.import_weights import load_weights
from shapebias.plugins import build
from shapebias.weights.match import match_state_dict
from tests.helpers.small_resnets import CLASSES, SMALL, network, one_line


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"kind": "resnet", "depth": 34}, "is of another network than ResNet"),
        ({"kind": "resnet", "depth": 34}, "such as its depth"),
        ({"kind": "alexnet", "depth": ..., "input_size": 64}, "no name is the same"),
        ({"width": 0.25}, "another width or depth"),
        ({"classes": ["circle", "square"]}, "the number of classes differs"),
    ],
)
def test_weights_of_another_network_are_refused(tmp_path, settings, message):
    path = tmp_path / "checkpoint.pth"
    torch.save(network().network.state_dict(), path)
    settings = {"classes": CLASSES, "input_size": 32, **SMALL, **settings}
    other = build(
        "architectures", **{key: value for key, value in settings.items() if value is not ...}
    )
    before = {key: value.clone() for key, value in other.state_dict().items()}
    with pytest.raises(ShapebiasError) as error:
        load_weights(other, path)
    assert message in one_line(error)
    assert all(torch.equal(before[key], value) for key, value in other.state_dict().items())


def test_another_input_size_is_named_as_the_cause():
    pytest.importorskip("timm")
    architecture = {"kind": "timm", "name": "vit_tiny_patch16_224", "settings": {"depth": 1}}
    small, large = (
        build("architectures", classes=CLASSES, input_size=size, **architecture)
        for size in (32, 64)
    )
    with pytest.raises(ShapebiasError, match=r"pos_embed .*check `input_size`, patch_size"):
        match_state_dict(small.network, large.network.state_dict(), "x")


def test_another_shape_is_not_another_number_of_classes():
    bare = network().network
    state = dict(bare.state_dict())
    state["fc.weight"] = state["fc.weight"][:, :, None, None]
    with pytest.raises(ShapebiasError, match="the same number of values in another shape"):
        match_state_dict(bare, state, "x")


def test_half_precision_is_not_copied_before_it_is_loaded():
    bare = network().network
    half = {
        key: value.half() if value.is_floating_point() else value
        for key, value in bare.state_dict().items()
    }
    matched = match_state_dict(bare, half, "x")
    assert all(matched[key].data_ptr() == half[key].data_ptr() for key in half)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda value: value * float("nan"),
            "after a training that diverged",
        ),
        (lambda value: value / 0, "holds NaN or infinite values"),
        (lambda value: value.to("meta"), "fc.weight is not a dense tensor"),
        (lambda value: value.to(torch.int8), "fc.weight is not a dense tensor"),
        (lambda value: value.to_sparse(), "fc.weight is not a dense tensor"),
        (lambda value: value.to(torch.complex64), "fc.weight is not a dense tensor"),
    ],
)
def test_weights_that_are_not_dense_finite_numbers(tmp_path, change, message):
    state = network().network.state_dict()
    torch.save({**state, "fc.weight": change(state["fc.weight"])}, tmp_path / "x.pth")
    with pytest.raises(ShapebiasError, match=message) as error:
        load_weights(network(), tmp_path / "x.pth")
    assert "fc.weight" in one_line(error)


@pytest.mark.parametrize("kind", [torch.float64, torch.bfloat16, torch.float16])
def test_weights_of_another_precision_are_converted(tmp_path, capsys, kind):
    state = network(seed=1).network.state_dict()
    other = {key: value.to(kind) for key, value in state.items()}
    # Published counters are also of floating-point types, or short integers.
    other["bn1.num_batches_tracked"] = torch.tensor(7, dtype=torch.int32)
    torch.save(other, tmp_path / "x.pth")
    model = network()
    load_weights(model, tmp_path / "x.pth")
    for key, value in model.network.state_dict().items():
        assert value.dtype == state[key].dtype
        assert torch.equal(value, other[key].to(value.dtype))
    name = str(kind).removeprefix("torch.")
    output = capsys.readouterr().out
    assert f"weights in {name} are converted to float32" in output and output.count("\n") == 1


def test_a_counter_of_fractions_is_refused(tmp_path):
    state = network().network.state_dict()
    torch.save({**state, "bn1.num_batches_tracked": torch.tensor(2.5)}, tmp_path / "x.pth")
    with pytest.raises(ShapebiasError, match=r"bn1\.num_batches_tracked holds 2\.5") as error:
        load_weights(network(), tmp_path / "x.pth")
    one_line(error)


def test_a_negative_variance_is_refused(tmp_path):
    state = network().network.state_dict()
    state["bn1.running_var"][3] = -1
    torch.save(state, tmp_path / "x.pth")
    with pytest.raises(ShapebiasError, match=r"bn1\.running_var holds a negative") as error:
        load_weights(network(), tmp_path / "x.pth")
    one_line(error)
