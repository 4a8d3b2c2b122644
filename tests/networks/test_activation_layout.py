"""Layers of transformers: tokens and channels-last outputs as maps, ablated in every token."""

from fractions import Fraction

import pandas as pd
import pytest
import torch
from torch import nn

from shapebias.ablation.channels import ablate
from shapebias.ablation.concepts import ablate_groups
from shapebias.ablation.unit_groups import unit_groups
from shapebias.dissection.dissect import dissect
from shapebias.errors import ShapebiasError
from shapebias.networks.activation_layout import Layout, possible_layouts
from shapebias.networks.receptive_fields import Field, receptive_fields
from shapebias.networks.wrapping.hooked import HookedClassifier
from shapebias.networks.wrapping.split import stages_of
from shapebias.networks.wrapping.wrap import wrap_network
from shapebias.plugins import build
from shapebias.smoothness.activations import activation_tv
from shapebias.smoothness.total_variation import total_variation
from shapebias.torchvision_import import torchvision
from tests.dissection.test_dissection import CONCEPTS, concept_batches
from tests.helpers.reference_implementations import overlaps_by_loops

CLASSES = list("abc")
SIDE = 32
SMALL = {"embed_dim": 24, "num_heads": 2}
VIT = {"name": "vit_tiny_patch16_224", "settings": {**SMALL, "patch_size": 8, "depth": 2}}
# Architecture, its number of prefix tokens (None: rows and columns), channels of its layers.
CASES = {
    "vit": (VIT, 1, [24, 24]),
    "distilled": (
        {"name": "deit_tiny_distilled_patch16_224", "settings": VIT["settings"]},
        2,
        [24, 24],
    ),
    "registers": (
        {"name": "vit_tiny_patch16_224", "settings": {**VIT["settings"], "reg_tokens": 4}},
        5,
        [24, 24],
    ),
    "swin": (
        {
            "name": "swin_tiny_patch4_window7_224",
            "settings": {"embed_dim": 24, "depths": [1, 1], "num_heads": [2, 2], "window_size": 4},
        },
        None,
        [24, 48],
    ),
}


@pytest.fixture(scope="module")
def timm():
    # timm imports torchvision, which works after the project's own import above.
    return pytest.importorskip("timm", reason="needs the optional package timm")


def built(case):
    torch.manual_seed(0)
    settings, *expected = CASES[case]
    model = build("architectures", kind="timm", classes=CLASSES, input_size=SIDE, **settings)
    return model.eval(), *expected


def images(number=2, size=SIDE):
    return torch.rand(number, 3, size, size, generator=torch.Generator().manual_seed(1))


@torch.no_grad()
def outputs(model, pixels, ablated=None):
    """Scores and modules' outputs of a network, by plain hooks; one channel may be ablated."""
    activations, hooks = {}, []
    for layer in model.layers:

        def record(module, args, output, layer=layer):
            if ablated and ablated[0] == layer:
                output = output.clone()
                output[..., ablated[1]] = 0
            activations[layer] = output
            return output

        hooks.append(model.network.get_submodule(layer).register_forward_hook(record))
    scores = model.network((pixels - model.mean) / model.std)
    for hook in hooks:
        hook.remove()
    return scores, activations


@pytest.mark.usefixtures("timm")
@pytest.mark.parametrize("case", CASES)
@torch.no_grad()
def test_maps_are_the_tokens_in_rows_and_columns(case):
    model, n_prefix, channels = built(case)
    assert list(model.channels().values()) == channels
    assert model.is_split
    scores, activations = outputs(model, images())
    assert torch.allclose(model(images()), scores, atol=1e-6)
    for layer, maps in model.walk(images()):
        output = activations[layer]
        if n_prefix is None:
            expected = torch.stack(
                [output[..., channel] for channel in range(output.shape[-1])], dim=1
            )
        else:
            side = round((output.shape[1] - n_prefix) ** 0.5)
            rows = [
                output[:, n_prefix + row * side : n_prefix + (row + 1) * side]
                for row in range(side)
            ]
            expected = torch.stack(rows, dim=1).permute(0, 3, 1, 2)
        assert maps.shape[2] == maps.shape[3] > 1
        assert torch.allclose(maps, expected, atol=1e-6)


@pytest.mark.usefixtures("timm")
@pytest.mark.parametrize("case", CASES)
@torch.no_grad()
def test_a_channel_is_ablated_in_every_token(case):
    model, *_ = built(case)
    hooked = HookedClassifier(
        model.network,
        layers={layer: layer for layer in model.layers},
        layouts={layer: model.layout(layer) for layer in model.layers},
        classes=CLASSES,
        mean=model.mean.flatten().tolist(),
        std=model.std.flatten().tolist(),
        input_size=SIDE,
    ).eval()
    baseline = model(images())
    for layer, activation in model.activations(images()):
        for channel in (0, model.channels()[layer] - 1):
            expected, _ = outputs(model, images(), (layer, channel))
            assert not torch.allclose(expected, baseline, atol=1e-5)
            for classifier in (model, hooked):
                with classifier.ablated(layer, [channel]):
                    assert torch.allclose(classifier(images()), expected, atol=1e-6)
            with model.ablated(layer, [channel]):
                assert torch.allclose(model.resume(layer, activation), expected, atol=1e-6)


def conflict_images(model, number=12):
    """Images with varying decisions, half of them for shape and half for texture."""
    pixels = images(number)
    with torch.no_grad():
        scores = model(pixels)
        model.network.head.bias -= scores.mean(dim=0)
        decisions = [CLASSES[index] for index in model(pixels).argmax(dim=1)]
    others = [CLASSES[CLASSES.index(name) - 1] for name in decisions]
    half = number // 2
    shapes, textures = decisions[:half] + others[half:], others[:half] + decisions[half:]
    return pixels, [str(index) for index in range(number)], shapes, textures


@pytest.mark.usefixtures("timm")
@torch.no_grad()
def test_ablation_is_that_of_the_whole_network():
    model, *_ = built("vit")
    pixels, ids, shapes, textures = conflict_images(model)
    scores, flips = ablate(model, pixels, ids, shapes, textures, batch=5)
    expected = []
    before, _ = outputs(model, pixels)
    for layer, number in model.channels().items():
        for channel in range(number):
            after, _ = outputs(model, pixels, (layer, channel))
            changed = (before.argmax(dim=1) != after.argmax(dim=1)).nonzero().flatten()
            expected += [(layer, channel, ids[index]) for index in changed]
    assert len(expected) > 0
    assert list(flips.iloc[:, :3].itertuples(index=False, name=None)) == expected
    assert len(scores) == 48
    labels = pd.DataFrame(
        [("blocks.0", 1, "red", "color", 0.2), ("blocks.1", 3, "red", "color", 0.3)],
        columns=["layer", "channel", "concept", "category", "iou"],
    )
    rows = [
        {
            "image_id": name,
            "pixels": (image.permute(1, 2, 0) * 255).byte().numpy(),
            "shape": s,
            "texture": t,
        }
        for name, image, s, t in zip(ids, pixels, shapes, textures, strict=True)
    ]
    groups = unit_groups(labels, iou_cut=0.0, each_layer=True)
    scores = ablate_groups(model, groups, rows, [(ids, pixels, shapes)], batch=4)
    single = scores[(scores["layer"] == "blocks.0") & (scores["mode"] == "zero")].iloc[0]
    after, _ = outputs(model, pixels, ("blocks.0", 1))
    decisions = after.argmax(dim=1)
    correct = [CLASSES[index] == name for index, name in zip(decisions, shapes, strict=True)]
    assert single["accuracy_after"] == sum(correct) / len(correct)


@pytest.mark.usefixtures("timm")
@pytest.mark.parametrize("case", ["registers", "swin"])
def test_measurements_are_of_the_maps(case):
    model, *_ = built(case)
    frame = activation_tv(model, [(["0", "1"], images(), [None, None])])
    for layer, maps in model.walk(images()):
        means = frame[frame["layer"] == layer]["mean_tv"].to_numpy()
        assert means == pytest.approx(total_variation(maps).mean(dim=0).detach().numpy(), rel=1e-4)
    whole = (Field(0, SIDE, 0), Field(0, SIDE, 0))
    assert set(receptive_fields(model, (SIDE, SIDE)).values()) == {whole}


@pytest.mark.usefixtures("timm")
def test_a_transformer_is_dissected_like_any_network():
    model, *_ = built("distilled")
    batches = concept_batches(3, [1, 1, 1], (8, 8), shape=(SIDE, SIDE))
    result = dissect(model, lambda: iter(batches), CONCEPTS, quantile=0.1, top_images=2)
    expected = overlaps_by_loops(model, batches, CONCEPTS, Fraction(1, 10), "labelled_images")
    thresholds = result.labels.set_index(["layer", "channel"])["threshold"]
    counts = result.overlaps.set_index(["layer", "channel", "concept"])
    assert len(expected) == 48
    for (layer, channel), (threshold, concepts) in expected.items():
        assert thresholds[layer, channel] == pytest.approx(threshold, rel=1e-5)
        for name, (shared, *_) in concepts.items():
            assert counts.loc[(layer, channel, name), "intersection"] == shared
    sizes = result.top_images[["height", "width"]].to_numpy()
    assert (sizes == SIDE).all()


@pytest.mark.usefixtures("timm")
@torch.no_grad()
def test_two_transformers_share_a_last_layer():
    torch.manual_seed(0)
    member = {"kind": "timm", **VIT}
    model = build(
        "architectures", kind="ensemble", classes=CLASSES, input_size=SIDE, members=[member] * 2
    )
    assert model.eval().channels() == {"blocks.0": 48, "blocks.1": 48}
    features = []
    for network in (model.network.first, model.network.second):
        # Each member normalises with mean 0.5 and std 0.5.
        features.append(network.forward_head(network.forward_features(images() * 2 - 1), True))
    expected = model.network.last(torch.cat(features, dim=1))
    assert torch.allclose(model(images()), expected, atol=1e-5)
    for layer, activation in model.activations(images()):
        assert activation.shape == (2, 17, 48)
        assert torch.allclose(model.resume(layer, activation), expected, atol=1e-5)


@pytest.mark.usefixtures("timm")
def test_settings_that_a_network_does_not_accept():
    with pytest.raises(
        ShapebiasError, match=r"does not accept these settings: .*'patches'"
    ) as error:
        build(
            "architectures", kind="timm", classes=CLASSES, name=VIT["name"], settings={"patches": 8}
        )
    assert "\n" not in str(error.value)


class Blocks(nn.Module):
    """Two blocks between a patch embedding and a last layer, for inputs of the block's form."""

    def __init__(self, block, channels, side=4):
        super().__init__()
        self.patches = nn.Conv2d(3, channels, side, side)
        self.blocks = nn.Sequential(block(), block())
        self.last = nn.Linear(channels, 3)
        self.form = block.form

    def forward(self, pixels):
        maps = self.patches(pixels)
        if self.form == "rows":
            return self.last(self.blocks(maps.permute(0, 2, 3, 1)).mean(dim=(1, 2)))
        tokens = maps.flatten(2)
        if self.form == "channels first":
            return self.last(self.blocks(tokens).mean(dim=2))
        return self.last(self.blocks(tokens.transpose(1, 2)).mean(dim=1))


def mixing(*features, form, across=None):
    """A block that mixes channels, and tokens if their number is given."""

    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.channels = (
                nn.Conv1d(*features, 1) if form == "channels first" else nn.Linear(*features)
            )
            self.tokens = nn.Linear(across, across) if across else None

        def forward(self, values):
            values = values + self.channels(values)
            return values if self.tokens is None else values + self.tokens(values.mT).mT

    Block.form = form
    return Block


@pytest.mark.parametrize("kind", ["vit", "swin"])
@torch.no_grad()
def test_torchvisions_transformers_by_their_classes(kind):
    torch.manual_seed(0)
    if kind == "vit":
        network = torchvision.models.VisionTransformer(SIDE, 8, 2, 2, 24, 48, num_classes=3)
        expected = ["encoder.layers.encoder_layer_0", "encoder.layers.encoder_layer_1"]
    else:
        network = torchvision.models.SwinTransformer(
            [4, 4], 24, [1, 1], [2, 2], [4, 4], num_classes=3
        )
        expected = [f"features.{number}" for number in range(4)]
    # A last layer of zeros would hide the ablation.
    for value in network.parameters():
        nn.init.normal_(value, std=0.2)
    stages = [stage for stage in stages_of(network) if stage != "conv_proj"]
    settings = {"classes": CLASSES, "mean": [0.0] * 3, "std": [1.0] * 3, "input_size": SIDE}
    model = wrap_network(network, layers=None, stages=stages, **settings).eval()
    assert list(model.layers[:-1]) == expected
    assert (
        list(model.channels().values()) == [24, 24, 24] if kind == "vit" else [24, 24, 48, 48, 48]
    )
    for layer in model.layers:
        expected, _ = outputs(model, images(), (layer, 5))
        assert not torch.allclose(expected, model(images()), atol=1e-4)
        with model.ablated(layer, [5]):
            assert torch.allclose(model(images()), expected, atol=1e-4)


# Outputs of blocks for an image of 32 pixels: 64 tokens, or 8 rows and columns.
FACTORIES = {
    "equal tokens and channels": (mixing(64, 64, form="tokens"), 64, Layout(2, n_prefix_tokens=0)),
    "channels that could be tokens": (
        mixing(81, 81, form="tokens"),
        81,
        Layout(2, n_prefix_tokens=0),
    ),
    "mixed tokens": (mixing(66, 66, form="tokens", across=64), 66, Layout(2, n_prefix_tokens=0)),
    "rows and columns first": (mixing(12, 12, form="rows"), 12, Layout(axis=3)),
}


@pytest.mark.parametrize("case", FACTORIES)
def test_the_channel_axis_of_a_users_blocks(case):
    block, channels, layout = FACTORIES[case]
    torch.manual_seed(0)
    settings = {"classes": CLASSES, "mean": [0.0] * 3, "std": [1.0] * 3, "input_size": SIDE}
    stages = ["blocks.0", "blocks.1"]
    model = wrap_network(Blocks(block, channels), layers=None, stages=stages, **settings)
    assert model.layout("blocks.1") == layout
    assert model.channels() == dict.fromkeys(stages, channels)


def test_channels_before_tokens_are_found_where_their_number_is_known():
    torch.manual_seed(0)
    network = Blocks(mixing(48, 48, form="channels first"), 48)
    settings = {"classes": CLASSES, "mean": [0.0] * 3, "std": [1.0] * 3, "input_size": SIDE}
    stages = ["blocks.0", "blocks.1"]
    channels = dict.fromkeys(stages, 48)
    model = wrap_network(network, layers=None, stages=stages, channels=channels, **settings)
    assert model.layout("blocks.1") == Layout(1, n_prefix_tokens=0)


class Square(nn.Module):
    """Maps with equal numbers of rows and channels, in one or the other order."""

    def __init__(self, is_last):
        super().__init__()
        self.is_last = is_last
        self.stem, self.norm = nn.Conv2d(3, 8, 4, 4), Permuted(is_last)
        self.deep, self.last = nn.Conv2d(8, 12, 2, 2), nn.Linear(12, 3)
        self.out = Permuted(is_last)

    def forward(self, pixels):
        maps = self.norm(self.stem(pixels))
        maps = maps.permute(0, 3, 1, 2) if self.is_last else maps
        maps = self.out(self.deep(maps))
        return self.last(maps.mean(dim=(1, 2) if self.is_last else (2, 3)))


class Permuted(nn.Module):
    def __init__(self, is_last):
        super().__init__()
        self.is_last, self.scale = is_last, nn.Parameter(torch.ones(()))

    def forward(self, maps):
        return self.scale * (maps.permute(0, 2, 3, 1) if self.is_last else maps)


@pytest.mark.parametrize("is_last", [False, True])
def test_where_lengths_are_equal_the_other_stages_decide(is_last, capsys):
    settings = {"classes": CLASSES, "mean": [0.0] * 3, "std": [1.0] * 3, "input_size": SIDE}
    model = wrap_network(Square(is_last), layers=None, stages=["norm", "out"], **settings)
    axis = 3 if is_last else 1
    assert [model.layout(layer) for layer in model.layers] == [Layout(axis=axis)] * 2
    expected = f"norm of Square has an output of shape (1, 8, 8, 8): taking axis {axis} as channels"
    assert expected in capsys.readouterr().out


class Wrapped(nn.Module):
    """A network inside another that does little else."""

    def __init__(self, name, trunk):
        super().__init__()
        self.before, self.name = nn.Identity(), name
        setattr(self, name, trunk)

    def forward(self, pixels):
        return getattr(self, self.name)(self.before(pixels))


def test_a_wrapper_has_the_stages_of_its_trunk():
    trunk = torchvision.models.resnet18(num_classes=3)
    expected = [name for name in stages_of(trunk) if name not in ("bn1", "fc")]
    assert expected == ["conv1", "layer1", "layer2", "layer3", "layer4"]
    once = Wrapped("model", trunk)
    for network, prefix in [
        (once, "model."),
        (nn.Sequential(nn.Identity(), trunk), "1."),
        (Wrapped("net", once), "net.model."),
    ]:
        settings = {"classes": CLASSES, "mean": [0.0] * 3, "std": [1.0] * 3, "input_size": 64}
        model = wrap_network(network, layers=None, stages=stages_of(network), **settings)
        assert list(model.layers) == [prefix + name for name in expected]
        assert model.is_split
    # A block is one stage, whatever share of the weights it holds.
    assert stages_of(Wrapped("block", torchvision.models.resnet.BasicBlock(8, 8))) == ["block"]


def test_a_stage_of_one_position_is_reported(capsys):
    network = torchvision.models.resnet18(num_classes=3)
    settings = {"classes": CLASSES, "mean": [0.0] * 3, "std": [1.0] * 3, "input_size": SIDE}
    model = wrap_network(network, layers=None, stages=stages_of(network), **settings)
    assert "layer4" not in model.layers
    output = capsys.readouterr().out
    assert (
        output
        == "no layer at layer4 of ResNet: for images of 32 pixels the map has a single position\n"
    )


@pytest.mark.parametrize(
    ("shape", "known", "expected"),
    [
        ((1, 197, 768), {}, [Layout(2, n_prefix_tokens=1)]),
        ((1, 196, 768), {"n_prefix_tokens": 1}, [Layout(2, n_prefix_tokens=0)]),
        ((1, 201, 384), {"n_prefix_tokens": 5}, [Layout(2, n_prefix_tokens=5)]),
        ((1, 7, 7, 768), {}, [Layout(3)]),
        ((1, 512, 7, 7), {}, [Layout()]),
        ((1, 7, 7, 7), {"channels": 7}, [Layout(), Layout(3)]),
        ((1, 64, 65), {"channels": 65}, [Layout(2, n_prefix_tokens=0)]),
        ((1, 64, 65), {"channels": 64}, [Layout(1, n_prefix_tokens=1)]),
        ((1, 1, 192), {}, []),
        ((1, 512, 1, 1), {}, []),
        ((1, 195, 768), {}, []),
        ((1, 768), {}, []),
    ],
)
def test_possible_layouts_of_a_shape(shape, known, expected):
    assert possible_layouts(shape, **known) == expected


def test_tokens_form_maps_with_the_images_proportions():
    layout, tokens = Layout(2, n_prefix_tokens=1), torch.rand(1, 9, 3)
    assert layout.maps(tokens, (16, 32)).shape == (1, 3, 2, 4)
    assert torch.equal(layout.maps(tokens, (16, 32))[0, 1, 1], tokens[0, 5:, 1])
    with pytest.raises(ShapebiasError, match="8 tokens do not form a map"):
        layout.maps(tokens, (16, 16))
