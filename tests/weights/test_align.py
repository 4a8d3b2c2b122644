"""Published files with wrappers, other names and constants that normalise pixels."""

import re

import pytest
import torch

from shapebias.errors import ShapebiasError
from shapebias.networks.import_weights import load_weights
from shapebias.networks.skip_init import skip_weight_init
from shapebias.plugins import build
from shapebias.weights.align import align_to_network
from tests.helpers.small_resnets import CLASSES, MEAN, STD, network, one_line, prefixed, same

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
    architecture = {"function": f"tests.weights.test_align:{name}", "mean": mean, "std": std}
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


def test_a_file_with_another_mean_is_refused(tmp_path):
    path = tmp_path / "checkpoint.pth"
    state = prefixed(network().network.state_dict(), "module.model.")
    state["module.normalizer.new_mean"] = torch.tensor([0.5, 0.5, 0.5])[:, None, None]
    torch.save({"model": state}, path)
    with pytest.raises(ShapebiasError, match=r"was trained with mean \[0\.5") as error:
        load_weights(network(), path)
    assert "set its `mean` to that of the file" in one_line(error)
    load_weights(network(mean=[0.5, 0.5, 0.5]), path)


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
