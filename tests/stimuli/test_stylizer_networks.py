"""AdaIN and Gatys et al. on random weights, against slow formulas and other implementations."""

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

# Where the public decoder's file has its convolutions, and after which of them it doubles.
DECODER = {1: 256, 5: 256, 8: 256, 11: 256, 14: 128, 18: 128, 21: 64, 25: 64, 28: 3}
DOUBLED = (1, 14, 21)
CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def on_the_processor(monkeypatch):
    """Exact comparisons are made on the processor, also where there is a graphics card."""
    for kind in ("adain", "gatys"):
        monkeypatch.setattr(f"shapebias.stylizers.{kind}.device", lambda: CPU)


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


def decoded(seen: torch.Tensor, weights: dict[str, torch.Tensor]) -> torch.Tensor:
    """The public decoder, one operation at a time."""
    for number in DECODER:
        seen = pad(seen, (1, 1, 1, 1), mode="reflect")
        seen = conv2d(seen, weights[f"{number}.weight"], weights[f"{number}.bias"])
        if number != 28:
            seen = seen.relu()
        if number in DOUBLED:
            seen = interpolate(seen, scale_factor=2, mode="nearest")
    return seen


@pytest.fixture(scope="module")
def whole():
    """All of VGG-19, with random weights."""
    return draw_vgg19(vgg19("relu5_4", padding="reflect"), seed=0)


@pytest.fixture(scope="module")
def files(whole, tmp_path_factory):
    folder = tmp_path_factory.mktemp("weights")
    torch.save(whole.state_dict(), folder / "vgg_normalised.pth")
    torch.save(random_decoder(), folder / "decoder.pth")
    return {
        "encoder": str(folder / "vgg_normalised.pth"),
        "decoder": str(folder / "decoder.pth"),
    }


@pytest.fixture(scope="module")
def theirs():
    """torchvision's layers, with random weights."""
    torch.manual_seed(3)
    return torchvision.models.vgg.make_layers(torchvision.models.vgg.cfgs["E"]).eval()


def test_the_layers_are_numbered_as_in_the_public_file(whole):
    convolutions = [
        number for number, layer in enumerate(whole) if getattr(layer, "kernel_size", 0) == (3, 3)
    ]
    assert convolutions == [2, 5, 9, 12, 16, 19, 22, 25, 29, 32, 35, 38, 42, 45, 48, 51]
    assert positions()["relu4_1"] == 30 and len(vgg19("relu4_1", padding="reflect")) == 31
    kept = {"relu1_1": 3, "relu2_1": 10, "relu3_1": 17, "relu4_2": 33, "relu5_1": 43}
    assert {name: positions()[name] for name in kept} == kept


def test_torchvisions_file_gives_torchvisions_features(theirs, tmp_path):
    state = {f"features.{key}": value for key, value in theirs.state_dict().items()}
    torch.save({**state, "classifier.0.weight": torch.zeros(2, 2)}, tmp_path / "vgg19.pth")
    network = load_vgg19(vgg19("relu5_1", padding="zeros"), tmp_path / "vgg19.pth")
    images = torch.rand(2, 3, 48, 32, generator=torch.Generator().manual_seed(0))
    mean = torch.tensor([0.485, 0.456, 0.406])[:, None, None]
    std = torch.tensor([0.229, 0.224, 0.225])[:, None, None]
    found = features(network, images, ["relu1_2", "relu4_1", "relu5_1"])
    for name, number in {"relu1_2": 4, "relu4_1": 21, "relu5_1": 30}.items():
        expected = theirs[:number]((images - mean) / std)
        assert torch.allclose(found[name], expected, rtol=1e-3, atol=1e-5), name


def test_gatys_own_file_means_blue_green_red_less_the_mean(theirs, tmp_path):
    convolutions = [layer for layer in theirs if isinstance(layer, nn.Conv2d)]
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
    expected = theirs[:7](255 * images.flip(1) - mean)
    assert torch.allclose(network(images), expected, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("shape", [(32, 32), (45, 29), (9, 70)])
def test_alpha_zero_decodes_what_was_encoded(files, whole, shape):
    content, style = picture(*shape), picture(40, 40, seed=1)
    stylizer = build("stylizers", kind="adain", alpha=0.0, **files)
    seen = as_tensor(content, CPU)
    # Reflection instead of padding layers, and pooling that keeps what is left over.
    for layer in whole[:31]:
        if isinstance(layer, nn.ReflectionPad2d):
            seen = torch.from_numpy(np.pad(seen, [(0, 0), (0, 0), (1, 1), (1, 1)], "reflect"))
        else:
            seen = layer(seen)
    expected = decoded(seen, random_decoder())[0, :, : shape[0], : shape[1]]
    expected = 255 * expected.permute(1, 2, 0).clamp(0, 1).numpy()
    found = stylizer(content, style, None)
    assert found.shape == content.shape and found.dtype == np.uint8
    assert np.abs(found - expected).max() <= 0.51 and found.std() > 1
    assert np.array_equal(found, stylizer(content, picture(32, 64, seed=2), None))


def test_features_get_the_styles_mean_and_standard_deviation():
    generator = torch.Generator().manual_seed(0)
    content = 3 * torch.rand(1, 512, 9, 7, generator=generator)
    style = 2 + torch.rand(1, 512, 5, 8, generator=generator) * torch.rand(512, 1, 1) * 5
    found = adain.with_statistics(content, style).numpy()[0]
    for channel in range(0, 512, 37):
        wanted = style.numpy()[0, channel]
        assert found[channel].mean() == pytest.approx(wanted.mean(), abs=1e-5)
        spread = (wanted.var(ddof=1) + 1e-5) ** 0.5
        own = content.numpy()[0, channel]
        slow = (own - own.mean()) / (own.var(ddof=1) + 1e-5) ** 0.5 * spread + wanted.mean()
        assert np.abs(found[channel] - slow).max() < 1e-5
        if wanted.std() > 0.5:
            assert found[channel].std(ddof=1) == pytest.approx(wanted.std(ddof=1), rel=1e-5)


def test_adain_mixes_by_alpha(files):
    content, style = picture(32, 32), picture(32, 32, seed=1)
    stylizers = {a: build("stylizers", kind="adain", alpha=a, **files) for a in (0.0, 0.5, 1.0)}
    found = {alpha: stylizer(content, style, None) for alpha, stylizer in stylizers.items()}
    encoder = stylizers[1.0].encoder
    seen, wanted = encoder(as_tensor(content, CPU)), encoder(as_tensor(style, CPU))
    full = adain.with_statistics(seen, wanted)
    for alpha, image in found.items():
        mixed = decoded(alpha * full + (1 - alpha) * seen, random_decoder())
        expected = 255 * mixed[0].clamp(0, 1).permute(1, 2, 0).numpy()
        assert np.abs(image - expected).max() <= 0.51
    assert not np.array_equal(found[0.0], found[1.0])


def test_a_style_is_the_central_square_brought_down_and_never_up():
    style = np.zeros((60, 100, 3), np.uint8)
    style[:, 20:80] = 200
    assert (adain.central_square(style, 30) == 200).all()
    assert adain.central_square(style, 30).shape == (30, 30, 3)
    assert adain.central_square(style, 90).shape == (60, 60, 3)
    assert adain.central_square(style, None).shape == (60, 100, 3)


def test_repr_states_the_settings(files):
    assert "alpha=0.25, style_size=64" in repr(
        build("stylizers", kind="adain", alpha=0.25, style_size=64, **files)
    )
    shown = repr(build("stylizers", kind="gatys", steps=7, style_weight=5.0))
    assert all(text in shown for text in ("steps=7", "optimiser='lbfgs'", "style_weight=5.0"))


def test_building_a_stylizer_leaves_torchs_random_numbers_alone(files):
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    build("stylizers", kind="adain", **files)
    build("stylizers", kind="gatys")
    assert torch.equal(torch.rand(1), expected)


def slow_loss(network, image, content, style, content_weight, style_weight):
    """The published sums over features and over unnormalised Gram matrices."""
    one, two = (features(network, some, [CONTENT])[CONTENT].double() for some in (image, content))
    loss = content_weight * 0.5 * float(((one - two) ** 2).sum())
    for name in STYLE:
        own, target = (
            features(network, some, [name])[name][0].double().numpy() for some in (image, style)
        )
        channels, places = own.shape[0], own[0].size
        products = (np.einsum("irc,jrc->ij", maps, maps) for maps in (own, target))
        error = (np.subtract(*products) ** 2).sum() / (4 * channels**2 * places**2)
        loss += style_weight * error / 5
    return loss


@pytest.mark.parametrize("pooling", ["average", "max"])
def test_the_loss_is_the_published_one(pooling):
    stylizer = build("stylizers", kind="gatys", pooling=pooling, content_weight=0.5)
    content, style, image = (as_tensor(picture(24, 20, seed), CPU) for seed in range(3))
    wanted = features(stylizer.network, content, [CONTENT])[CONTENT]
    grams = [gram(seen) for seen in features(stylizer.network, style, STYLE).values()]
    expected = slow_loss(stylizer.network, image, content, style, 0.5, 1000.0)
    assert float(stylizer.loss(image, wanted, grams)) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("optimiser", ["lbfgs", "adam"])
@pytest.mark.parametrize("start", ["content", "noise"])
def test_the_loss_falls_and_the_image_nears_the_style(optimiser, start):
    settings = {"steps": 12, "optimiser": optimiser, "start": start, "style_weight": 1e5}
    stylizer = build("stylizers", kind="gatys", **settings)
    content, style = as_tensor(picture(32, 32), CPU), as_tensor(picture(32, 32, seed=1), CPU)
    noise = torch.rand(content.shape, generator=torch.Generator().manual_seed(0))
    first = content if start == "content" else noise
    image, losses = stylizer.optimise(content, style, first)
    assert losses[-1] < 0.7 * losses[0] and len(losses) >= 12
    assert not torch.equal(image, first)

    def distance(some):
        return sum(
            float((gram(one) - gram(two)).norm() / gram(two).norm())
            for one, two in zip(
                features(stylizer.network, some, STYLE).values(),
                features(stylizer.network, style, STYLE).values(),
                strict=True,
            )
        )

    assert distance(image) < distance(first)


def test_without_style_the_content_stays_and_noise_gets_its_features():
    content, style = picture(16, 16), picture(16, 16, seed=1)
    stay = build("stylizers", kind="gatys", style_weight=0.0, steps=3)
    assert np.array_equal(stay(content, style, np.random.default_rng(0)), content)
    come = build("stylizers", kind="gatys", style_weight=0.0, steps=40)
    noise = torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    _, losses = come.optimise(as_tensor(content, CPU), as_tensor(style, CPU), noise)
    assert losses[-1] < 0.05 * losses[0]


def test_gatys_depends_on_its_random_numbers_alone():
    stylizer = build("stylizers", kind="gatys", steps=2, start="noise")
    content, style = picture(24, 17), picture(40, 31, seed=1)
    first, second, other = (
        stylizer(content, style, np.random.default_rng(seed)) for seed in (1, 1, 2)
    )
    assert first.shape == content.shape and first.dtype == np.uint8
    assert np.array_equal(first, second) and not np.array_equal(first, other)


def test_a_published_file_serves_gatys(files):
    stylizer = build("stylizers", kind="gatys", steps=1, weights=files["encoder"])
    drawn = build("stylizers", kind="gatys", steps=1, seed=0)
    # The file's weights were drawn from the same seed, layer by layer.
    for key, value in drawn.network.state_dict().items():
        assert torch.equal(stylizer.network.state_dict()[key], value), key


def test_files_that_do_not_fit_are_refused_in_one_line(files, tmp_path):
    swapped = {"encoder": files["decoder"], "decoder": files["encoder"]}
    absent = {**files, "decoder": str(tmp_path / "absent.pth")}
    normed = tmp_path / "vgg19_bn.pth"
    torch.save({"features.0.weight": torch.zeros(64, 3, 3, 3)}, normed)
    for given, message in (
        (swapped, "is of another network than VGG19"),
        ({**files, "decoder": files["encoder"]}, "is of another network than Decoder"),
        (absent, "do not exist: download them"),
        ({**files, "encoder": str(normed)}, r"missing 2\.bias"),
    ):
        with pytest.raises(ShapebiasError, match=message) as caught:
            build("stylizers", kind="adain", **given)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("kind", "wrong"),
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
def test_wrong_settings_are_refused_in_one_line(files, kind, wrong):
    with pytest.raises(ShapebiasError, match=kind) as caught:
        build("stylizers", kind=kind, **{**(files if kind == "adain" else {}), **wrong})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", ["adain", "gatys"])
def test_images_that_are_too_small_are_refused(files, kind):
    stylizer = build("stylizers", kind=kind, **(files if kind == "adain" else {}))
    with pytest.raises(ShapebiasError, match="a content image of 30×8 pixels is too small"):
        stylizer(picture(8, 30), picture(32, 32), np.random.default_rng(0))
