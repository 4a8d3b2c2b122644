"""AdaIN and Gatys et al. with random weights, compared with slow formulas and torchvision."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import conv2d, interpolate, pad

from shapebias.errors import ShapebiasError
from shapebias.plugins import build
from shapebias.stimuli.stylizers import adain
from shapebias.stimuli.stylizers._vgg import (
    as_tensor,
    draw_vgg19,
    features,
    load_vgg19,
    positions,
    vgg19,
)
from shapebias.stimuli.stylizers.gatys import CONTENT, STYLE, gram
from shapebias.torchvision_import import torchvision

# Convolutions of the public decoder by their number, and those followed by upsampling.
DECODER = {1: 256, 5: 256, 8: 256, 11: 256, 14: 128, 18: 128, 21: 64, 25: 64, 28: 3}
UPSAMPLED = (1, 14, 21)
CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def on_the_cpu(monkeypatch):
    """Run on the CPU, where results are exact, also if there is a GPU."""
    for kind in ("adain", "gatys"):
        monkeypatch.setattr(f"shapebias.stimuli.stylizers.{kind}.device", lambda: CPU)


def picture(rows: int, columns: int, seed: int = 0) -> np.ndarray:
    coarse = np.random.default_rng(seed).uniform(0, 255, (rows // 4 + 1, columns // 4 + 1, 3))
    return coarse.repeat(4, 0).repeat(4, 1)[:rows, :columns].astype(np.uint8)


def random_decoder(seed: int = 0) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    weights, inputs = {}, 512
    for number, outputs in DECODER.items():
        kernel = torch.randn(outputs, inputs, 3, 3, generator=generator)
        weights[f"{number}.weight"] = kernel * (2 / (9 * inputs)) ** 0.5
        weights[f"{number}.bias"] = torch.rand(outputs, generator=generator) / 10
        inputs = outputs
    return weights


def decoded(maps: torch.Tensor, weights: dict[str, torch.Tensor]) -> torch.Tensor:
    """Apply the public decoder, one operation at a time."""
    for number in DECODER:
        maps = pad(maps, (1, 1, 1, 1), mode="reflect")
        maps = conv2d(maps, weights[f"{number}.weight"], weights[f"{number}.bias"])
        if number != 28:
            maps = maps.relu()
        if number in UPSAMPLED:
            maps = interpolate(maps, scale_factor=2, mode="nearest")
    return maps


@pytest.fixture(scope="module")
def full_vgg19():
    """All layers of VGG-19, with random weights."""
    return draw_vgg19(vgg19("relu5_4", padding="reflect"), seed=0)


@pytest.fixture(scope="module")
def files(full_vgg19, tmp_path_factory):
    folder = tmp_path_factory.mktemp("weights")
    torch.save(full_vgg19.state_dict(), folder / "vgg_normalised.pth")
    torch.save(random_decoder(), folder / "decoder.pth")
    return {
        "encoder": str(folder / "vgg_normalised.pth"),
        "decoder": str(folder / "decoder.pth"),
    }


@pytest.fixture(scope="module")
def torchvision_layers():
    """Layers of torchvision's VGG-19, with random weights."""
    torch.manual_seed(3)
    return torchvision.models.vgg.make_layers(torchvision.models.vgg.cfgs["E"]).eval()


def test_the_layers_are_numbered_as_in_the_public_file(full_vgg19):
    convolutions = [
        number
        for number, layer in enumerate(full_vgg19)
        if getattr(layer, "kernel_size", 0) == (3, 3)
    ]
    assert convolutions == [2, 5, 9, 12, 16, 19, 22, 25, 29, 32, 35, 38, 42, 45, 48, 51]
    assert positions()["relu4_1"] == 30 and len(vgg19("relu4_1", padding="reflect")) == 31
    expected = {"relu1_1": 3, "relu2_1": 10, "relu3_1": 17, "relu4_2": 33, "relu5_1": 43}
    assert {name: positions()[name] for name in expected} == expected


def test_torchvisions_file_gives_torchvisions_features(torchvision_layers, tmp_path):
    state = {f"features.{key}": value for key, value in torchvision_layers.state_dict().items()}
    torch.save({**state, "classifier.0.weight": torch.zeros(2, 2)}, tmp_path / "vgg19.pth")
    network = load_vgg19(vgg19("relu5_1", padding="zeros"), tmp_path / "vgg19.pth")
    images = torch.rand(2, 3, 48, 32, generator=torch.Generator().manual_seed(0))
    mean = torch.tensor([0.485, 0.456, 0.406])[:, None, None]
    std = torch.tensor([0.229, 0.224, 0.225])[:, None, None]
    activations = features(network, images, ["relu1_2", "relu4_1", "relu5_1"])
    for name, number in {"relu1_2": 4, "relu4_1": 21, "relu5_1": 30}.items():
        expected = torchvision_layers[:number]((images - mean) / std)
        assert torch.allclose(activations[name], expected, rtol=1e-3, atol=1e-5), name


def test_the_file_of_gatys_expects_blue_green_red_minus_the_mean(torchvision_layers, tmp_path):
    convolutions = [layer for layer in torchvision_layers if isinstance(layer, nn.Conv2d)]
    names = [name.removeprefix("relu") for name in positions()]
    state = {
        f"conv{name}.{part}": getattr(layer, part).detach()
        for name, layer in zip(names, convolutions, strict=True)
        for part in ("weight", "bias")
    }
    torch.save(state, tmp_path / "vgg_conv.pth")
    network = load_vgg19(vgg19("relu2_1", padding="zeros"), tmp_path / "vgg_conv.pth")
    images = torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    mean = torch.tensor([103.939, 116.779, 123.68])[:, None, None]
    expected = torchvision_layers[:7](255 * images.flip(1) - mean)
    assert torch.allclose(network(images), expected, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("shape", [(32, 32), (45, 29), (9, 70)])
def test_alpha_zero_decodes_the_encoded_content(files, full_vgg19, shape):
    content, style = picture(*shape), picture(40, 40, seed=1)
    stylizer = build("stylizers", kind="adain", alpha=0.0, **files)
    maps = as_tensor(content, CPU)
    # NumPy's reflection replaces the padding layers; pooling includes incomplete windows.
    for layer in full_vgg19[:31]:
        if isinstance(layer, nn.ReflectionPad2d):
            maps = torch.from_numpy(np.pad(maps, [(0, 0), (0, 0), (1, 1), (1, 1)], "reflect"))
        else:
            maps = layer(maps)
    expected = decoded(maps, random_decoder())[0, :, : shape[0], : shape[1]]
    expected = 255 * expected.permute(1, 2, 0).clamp(0, 1).numpy()
    image = stylizer(content, style, None)
    assert image.shape == content.shape and image.dtype == np.uint8
    assert np.abs(image - expected).max() <= 0.51 and image.std() > 1
    assert np.array_equal(image, stylizer(content, picture(32, 64, seed=2), None))


def test_features_get_the_styles_mean_and_standard_deviation():
    generator = torch.Generator().manual_seed(0)
    content = 3 * torch.rand(1, 512, 9, 7, generator=generator)
    style = 2 + torch.rand(1, 512, 5, 8, generator=generator) * torch.rand(512, 1, 1) * 5
    matched = adain.match_statistics(content, style).numpy()[0]
    for channel in range(0, 512, 37):
        target = style.numpy()[0, channel]
        assert matched[channel].mean() == pytest.approx(target.mean(), abs=1e-5)
        spread = (target.var(ddof=1) + 1e-5) ** 0.5
        source = content.numpy()[0, channel]
        normal = (source - source.mean()) / (source.var(ddof=1) + 1e-5) ** 0.5
        assert np.abs(matched[channel] - (normal * spread + target.mean())).max() < 1e-5
        if target.std() > 0.5:
            assert matched[channel].std(ddof=1) == pytest.approx(target.std(ddof=1), rel=1e-5)


def test_alpha_interpolates_between_content_and_style(files):
    content, style = picture(32, 32), picture(32, 32, seed=1)
    stylizers = {a: build("stylizers", kind="adain", alpha=a, **files) for a in (0.0, 0.5, 1.0)}
    images = {alpha: stylizer(content, style, None) for alpha, stylizer in stylizers.items()}
    encoder = stylizers[1.0].encoder_network
    content_maps, style_maps = encoder(as_tensor(content, CPU)), encoder(as_tensor(style, CPU))
    stylized = adain.match_statistics(content_maps, style_maps)
    for alpha, image in images.items():
        mixed = decoded(alpha * stylized + (1 - alpha) * content_maps, random_decoder())
        expected = 255 * mixed[0].clamp(0, 1).permute(1, 2, 0).numpy()
        assert np.abs(image - expected).max() <= 0.51
    assert not np.array_equal(images[0.0], images[1.0])


def test_the_central_square_of_a_style_is_reduced_and_never_enlarged():
    style = np.zeros((60, 100, 3), np.uint8)
    style[:, 20:80] = 200
    assert (adain.central_square(style, 30) == 200).all()
    assert adain.central_square(style, 30).shape == (30, 30, 3)
    assert adain.central_square(style, 90).shape == (60, 60, 3)
    assert adain.central_square(style, None).shape == (60, 100, 3)


def test_repr_shows_the_settings(files):
    assert "alpha=0.25, style_size=64" in repr(
        build("stylizers", kind="adain", alpha=0.25, style_size=64, **files)
    )
    text = repr(build("stylizers", kind="gatys", steps=7, style_weight=5.0))
    assert all(setting in text for setting in ("steps=7", "optimiser='lbfgs'", "style_weight=5.0"))


def test_building_a_stylizer_does_not_change_torchs_random_state(files):
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    build("stylizers", kind="adain", **files)
    build("stylizers", kind="gatys")
    assert torch.equal(torch.rand(1), expected)


def slow_loss(network, image, content, style, content_weight, style_weight):
    """Compute the published sums over features and over unnormalised Gram matrices."""

    def activations(pixels, name):
        return features(network, pixels, [name])[name][0].double().numpy()

    difference = activations(image, CONTENT) - activations(content, CONTENT)
    loss = content_weight * 0.5 * float((difference**2).sum())
    for name in STYLE:
        maps, targets = activations(image, name), activations(style, name)
        channels, n_positions = maps.shape[0], maps[0].size
        products = (np.einsum("irc,jrc->ij", layer, layer) for layer in (maps, targets))
        error = (np.subtract(*products) ** 2).sum() / (4 * channels**2 * n_positions**2)
        loss += style_weight * error / 5
    return loss


@pytest.mark.parametrize("pooling", ["average", "max"])
def test_the_loss_equals_the_published_one(pooling):
    stylizer = build("stylizers", kind="gatys", pooling=pooling, content_weight=0.5)
    content, style, image = (as_tensor(picture(24, 20, seed), CPU) for seed in range(3))
    target = features(stylizer.network, content, [CONTENT])[CONTENT]
    grams = [gram(maps) for maps in features(stylizer.network, style, STYLE).values()]
    expected = slow_loss(stylizer.network, image, content, style, 0.5, 1000.0)
    assert float(stylizer.loss(image, target, grams)) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("optimiser", ["lbfgs", "adam"])
@pytest.mark.parametrize("start", ["content", "noise"])
def test_the_loss_falls_and_the_image_approaches_the_style(optimiser, start):
    settings = {"steps": 12, "optimiser": optimiser, "start": start, "style_weight": 1e5}
    stylizer = build("stylizers", kind="gatys", **settings)
    content, style = as_tensor(picture(32, 32), CPU), as_tensor(picture(32, 32, seed=1), CPU)
    noise = torch.rand(content.shape, generator=torch.Generator().manual_seed(0))
    first = content if start == "content" else noise
    image, losses = stylizer.optimise(content, style, first)
    assert losses[-1] < 0.7 * losses[0] and len(losses) >= 12
    assert not torch.equal(image, first)

    def distance(pixels):
        return sum(
            float((gram(maps) - gram(targets)).norm() / gram(targets).norm())
            for maps, targets in zip(
                features(stylizer.network, pixels, STYLE).values(),
                features(stylizer.network, style, STYLE).values(),
                strict=True,
            )
        )

    assert distance(image) < distance(first)


def test_without_style_the_content_is_unchanged_and_noise_gets_its_features():
    content, style = picture(16, 16), picture(16, 16, seed=1)
    short = build("stylizers", kind="gatys", style_weight=0.0, steps=3)
    assert np.array_equal(short(content, style, np.random.default_rng(0)), content)
    long = build("stylizers", kind="gatys", style_weight=0.0, steps=40)
    noise = torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    _, losses = long.optimise(as_tensor(content, CPU), as_tensor(style, CPU), noise)
    assert losses[-1] < 0.05 * losses[0]


def test_gatys_depends_only_on_its_random_numbers():
    stylizer = build("stylizers", kind="gatys", steps=2, start="noise")
    content, style = picture(24, 17), picture(40, 31, seed=1)
    first, second, other = (
        stylizer(content, style, np.random.default_rng(seed)) for seed in (1, 1, 2)
    )
    assert first.shape == content.shape and first.dtype == np.uint8
    assert np.array_equal(first, second) and not np.array_equal(first, other)


def test_gatys_reads_a_published_file(files):
    stylizer = build("stylizers", kind="gatys", steps=1, weights=files["encoder"])
    drawn = build("stylizers", kind="gatys", steps=1, seed=0)
    # The file's weights were drawn from the same seed, layer by layer.
    for key, value in drawn.network.state_dict().items():
        assert torch.equal(stylizer.network.state_dict()[key], value), key


def test_files_that_do_not_match_are_rejected_in_one_line(files, tmp_path):
    swapped = {"encoder": files["decoder"], "decoder": files["encoder"]}
    absent = {**files, "decoder": str(tmp_path / "absent.pth")}
    normed = tmp_path / "vgg19_bn.pth"
    torch.save({"features.0.weight": torch.zeros(64, 3, 3, 3)}, normed)
    for settings, message in (
        (swapped, "is of another network than VGG19"),
        ({**files, "decoder": files["encoder"]}, "is of another network than Decoder"),
        (absent, "do not exist: download them"),
        ({**files, "encoder": str(normed)}, r"missing 2\.bias"),
    ):
        with pytest.raises(ShapebiasError, match=message) as error:
            build("stylizers", kind="adain", **settings)
        assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("kind", "invalid"),
    [
        ("adain", {"alpha": 1.5}),
        ("adain", {"style_size": 4}),
        ("gatys", {"optimiser": "sgd"}),
        ("gatys", {"start": "grey"}),
        ("gatys", {"pooling": "none"}),
        ("gatys", {"steps": 0}),
        ("gatys", {"style_weight": -1.0}),
    ],
)
def test_invalid_settings_are_rejected_in_one_line(files, kind, invalid):
    with pytest.raises(ShapebiasError, match=kind) as error:
        build("stylizers", kind=kind, **{**(files if kind == "adain" else {}), **invalid})
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("kind", ["adain", "gatys"])
def test_images_that_are_too_small_are_rejected(files, kind):
    stylizer = build("stylizers", kind=kind, **(files if kind == "adain" else {}))
    with pytest.raises(ShapebiasError, match="a content image of 30×8 pixels is too small"):
        stylizer(picture(8, 30), picture(32, 32), np.random.default_rng(0))
