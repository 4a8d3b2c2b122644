"""Networks on disk: what is saved is loaded, and what is damaged is refused."""

import json

import pytest
import torch
from safetensors.torch import load_file, save_file

from shapebias.errors import ShapebiasError
from shapebias.networks.checkpoints import load_network, save_network
from shapebias.networks.import_weights import load_weights
from shapebias.plugins import build
from tests.helpers.small_resnets import CLASSES, SMALL, network, one_line, same

IMAGES = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def saved(tmp_path):
    paths = tmp_path / "weights.safetensors", tmp_path / "model.json"
    save_network(network(), *paths, architecture=SMALL, provenance={"seed": 0})
    return paths


def test_a_saved_network_is_loaded_unchanged(saved):
    loaded = load_network(*saved)
    assert not loaded.training
    assert same(loaded, network())
    assert torch.equal(loaded(IMAGES), network()(IMAGES))
    description = json.loads(saved[1].read_text())
    assert saved[0].stat().st_mode == saved[1].stat().st_mode
    assert description["classes"] == CLASSES
    assert description["layers"] == {
        "conv1": 8,
        "layer1": 8,
        "layer2": 16,
        "layer3": 32,
        "layer4": 64,
    }
    assert description["mean"] == [0.485, 0.456, 0.406]
    assert description["provenance"] == {"seed": 0}


def test_the_same_network_gives_the_same_bytes(saved, tmp_path):
    again = tmp_path / "again.safetensors", tmp_path / "again.json"
    model = network().to(memory_format=torch.channels_last).train()
    save_network(model, *again, architecture=SMALL, provenance={"seed": 0})
    assert [path.read_bytes() for path in again] == [path.read_bytes() for path in saved]
    assert model.training
    assert {path.name for path in tmp_path.iterdir()} == {path.name for path in (*saved, *again)}


def test_loading_draws_no_random_numbers(saved):
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    load_network(*saved)
    assert torch.equal(torch.rand(1), expected)


def test_changed_weights_are_refused(saved):
    weights = load_file(saved[0])
    save_file({**weights, "fc.bias": weights["fc.bias"] + 1}, saved[0])
    with pytest.raises(ShapebiasError) as error:
        load_network(*saved)
    assert "differs from the file that its model.json describes" in one_line(error)


def test_another_mean_is_refused(saved):
    description = json.loads(saved[1].read_text())
    saved[1].write_text(json.dumps({**description, "mean": [0.5, 0.5, 0.5]}))
    with pytest.raises(ShapebiasError, match="saved with mean"):
        load_network(*saved)


@pytest.mark.parametrize("which", [0, 1])
def test_a_missing_file_is_named(saved, which):
    saved[which].unlink()
    with pytest.raises(ShapebiasError, match=f"{saved[which].name} does not exist"):
        load_network(*saved)


def test_a_damaged_description_is_named(saved):
    saved[1].write_text(saved[1].read_text()[:50])
    with pytest.raises(ShapebiasError, match=r"model\.json is damaged"):
        load_network(*saved)


def test_modules_that_need_the_version_of_their_state_dict(tmp_path):
    architecture = {"kind": "torchvision", "name": "mnasnet0_5"}
    model = build("architectures", classes=CLASSES, **architecture)
    torch.save(dict(model.network.state_dict()), tmp_path / "x.pth")
    again = build("architectures", classes=CLASSES, **architecture)
    load_weights(again, tmp_path / "x.pth")
    assert same(again, model)
    paths = tmp_path / "weights.safetensors", tmp_path / "model.json"
    save_network(again, *paths, architecture=architecture, provenance={})
    assert same(load_network(*paths), model)


def test_a_description_from_elsewhere_does_not_choose_what_is_called(saved):
    description = json.loads(saved[1].read_text())
    described = {"kind": "factory", "function": "os:system", "settings": {"command": "true"}}
    saved[1].write_text(json.dumps(description | {"architecture": described}))
    with pytest.raises(ShapebiasError, match="calls os:system: if you trust it"):
        load_network(*saved)
    with pytest.raises(ShapebiasError, match=r"the study has \{'kind': 'resnet'"):
        load_network(*saved, architecture=SMALL)
    ensemble = {"kind": "ensemble", "members": [SMALL, described]}
    saved[1].write_text(json.dumps(description | {"architecture": ensemble}))
    with pytest.raises(ShapebiasError, match="calls os:system"):
        load_network(*saved)


def test_the_architecture_of_the_study_and_imported_colours_are_accepted(saved):
    description = json.loads(saved[1].read_text())
    colours = {"mean": description["mean"], "std": description["std"]}
    saved[1].write_text(json.dumps(description | {"architecture": {**SMALL, **colours}}))
    load_network(*saved, architecture=SMALL)
    with pytest.raises(ShapebiasError, match="saved with the architecture"):
        load_network(*saved, architecture={**SMALL, "depth": 50})
