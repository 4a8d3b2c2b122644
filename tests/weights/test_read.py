"""Formats of weight files, damaged files, and pickles with code, which never runs."""

import pickle

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from shapebias.errors import ShapebiasError
from shapebias.networks.import_weights import load_weights
from tests.helpers.small_resnets import network, one_line, same


def test_safetensors_are_read(tmp_path):
    path = tmp_path / "checkpoint.safetensors"
    save_file(network(seed=1).network.state_dict(), path)
    model = network()
    load_weights(model, path)
    assert same(model, network(seed=1))


def test_safetensors_under_another_name(tmp_path):
    save_file(network(seed=1).network.state_dict(), tmp_path / "x.bin")
    model = network()
    load_weights(model, tmp_path / "x.bin")
    assert same(model, network(seed=1))


def test_a_file_of_torchs_under_another_name(tmp_path):
    torch.save(network().network.state_dict(), tmp_path / "x.safetensors")
    with pytest.raises(ShapebiasError, match=r"is a torch file, .* end in \.pth"):
        load_weights(network(), tmp_path / "x.safetensors")


def test_numpy_numbers_are_read(tmp_path):
    path = tmp_path / "checkpoint.pth"
    state = network(seed=1).network.state_dict()
    torch.save({"state_dict": state, "best": np.float64(0.5), "epoch": np.int64(3)}, path)
    model = network()
    load_weights(model, path)
    assert same(model, network(seed=1))


class Code:
    def __reduce__(self):
        return print, ("this must never run",)


def test_a_pickle_with_code_is_refused(tmp_path, capsys):
    path = tmp_path / "checkpoint.pth"
    torch.save({"state_dict": network().network.state_dict(), "trainer": Code()}, path)
    with pytest.raises(ShapebiasError) as error:
        load_weights(network(), path)
    assert "runs code when opened (" in one_line(error)
    assert "never run" not in capsys.readouterr().out


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("bare", [True, False])
def test_pickles_of_every_protocol_are_refused_with_advice(tmp_path, capsys, protocol, bare):
    path = tmp_path / "x.pth"
    if bare:
        path.write_bytes(pickle.dumps(Code(), protocol))
    else:
        torch.save(Code(), path, pickle_protocol=protocol)
    with pytest.raises(ShapebiasError, match=r"runs? code") as error:
        load_weights(network(), path)
    assert "save its state_dict alone" in one_line(error)
    assert "never run" not in capsys.readouterr().out


@pytest.mark.parametrize("name", ["x.pth", "x.safetensors", "x.bin"])
@pytest.mark.parametrize("damage", [lambda d: b"", lambda d: d[: len(d) // 2], lambda d: b"\0abc"])
def test_a_damaged_checkpoint_is_named(tmp_path, name, damage):
    path = tmp_path / name
    state = network().network.state_dict()
    save_file(state, path) if name.endswith("safetensors") else torch.save(state, path)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ShapebiasError) as error:
        load_weights(network(), path)
    assert one_line(error).startswith(f"{path} is damaged or no checkpoint")


def test_damage_inside_an_archive_is_named(tmp_path):
    path = tmp_path / "x.pth"
    torch.save(network().network.state_dict(), path)
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 1000] = bytes(byte ^ 255 for byte in data[middle : middle + 1000])
    path.write_bytes(data)
    with pytest.raises(ShapebiasError, match=r"is damaged: its entry x/data/\d+ differs") as error:
        load_weights(network(), path)
    assert "download it again" in one_line(error)


def test_an_archive_without_checksums_is_read(tmp_path):
    torch.serialization.set_crc32_options(False)
    try:
        torch.save(network(seed=1).network.state_dict(), tmp_path / "x.pth")
    finally:
        torch.serialization.set_crc32_options(True)
    model = network()
    load_weights(model, tmp_path / "x.pth")
    assert same(model, network(seed=1))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\n<!DOCTYPE html><html>", "is a web page"),
        (b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
    ],
)
def test_web_pages_and_git_lfs_pointers_are_named(tmp_path, content, message):
    for name in ("x.pth", "x.safetensors"):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ShapebiasError, match=message):
            load_weights(network(), tmp_path / name)


def test_a_text_file_is_named(tmp_path):
    (tmp_path / "x.pth").write_text("epoch 1, loss 0.5\n")
    with pytest.raises(ShapebiasError, match="begins like neither a torch nor a safetensors file"):
        load_weights(network(), tmp_path / "x.pth")


def test_keys_without_their_wrappers_are_printed(tmp_path, capsys):
    state = network().network.state_dict()
    torch.save({f"module.{key}": value for key, value in state.items()}, tmp_path / "x.pth")
    load_weights(network(), tmp_path / "x.pth")
    first = next(iter(state))
    expected = f"x.pth: keys are read without wrappers, module.{first} as {first}"
    assert expected in capsys.readouterr().out


def test_torchscript_is_refused_with_advice(tmp_path):
    path = tmp_path / "x.pt"
    torch.jit.save(torch.jit.script(torch.nn.Linear(1, 1)), path)
    with pytest.raises(ShapebiasError, match="state_dict") as error:
        load_weights(network(), path)
    assert "TorchScript" in one_line(error)


def test_the_keys_of_a_file_without_weights_are_named(tmp_path):
    torch.save({"epoch": 3, "optimizer": {"lr": 0.1}}, tmp_path / "x.pth")
    with pytest.raises(ShapebiasError, match="it holds the keys epoch, optimizer"):
        load_weights(network(), tmp_path / "x.pth")
    torch.save([1, 2], tmp_path / "x.pth")
    with pytest.raises(ShapebiasError, match="it holds a list"):
        load_weights(network(), tmp_path / "x.pth")


def test_files_without_weights_are_refused(tmp_path):
    path = tmp_path / "x.pth"
    itself = {}
    itself["model"] = itself
    for content in ({"epoch": 3}, {1: torch.zeros(2)}, itself, [1], torch.zeros(3)):
        torch.save(content, path)
        with pytest.raises(ShapebiasError, match="holds no weights"):
            load_weights(network(), path)
    with pytest.raises(ShapebiasError, match="do not exist: download"):
        load_weights(network(), tmp_path / "absent.pth")
    with pytest.raises(ShapebiasError, match="are a folder: name the file in it"):
        load_weights(network(), tmp_path)
