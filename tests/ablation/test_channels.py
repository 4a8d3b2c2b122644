import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from shapebias.ablation.channels import ablate, ablate_rows
from shapebias.ablation.scores import CHANGES, FLIPS
from shapebias.ablation.stable_decisions import StableDecisions, probabilities
from shapebias.errors import ShapebiasError, UnknownName
from shapebias.networks.channel_parts import parts_of
from shapebias.networks.decisions import decide, entry_weights
from shapebias.plugins import build
from tests.helpers.planted_networks import exact_images, exact_network, network, one_channel_reader
from tests.helpers.reference_implementations import changes_by_silencing, flips_by_silencing

ENTRY = {"a": "x", "b": "y", "c": "x", "d": "z"}


def conflict(seed, number, classes):
    """Random images with random shape and texture classes; some agree."""
    generator = np.random.default_rng(seed)
    shapes, textures = (generator.choice(list(classes), number).tolist() for _ in range(2))
    return exact_images(seed, number), [f"image{i}" for i in range(number)], shapes, textures


def named(flips):
    """Rows of the flips without their probabilities."""
    return list(flips.iloc[:, :5].itertuples(index=False, name=None))


@pytest.mark.parametrize("entry_level", [None, ENTRY])
@given(seed=st.integers(0, 10**6), number=st.integers(1, 12), batch=st.integers(1, 7))
@settings(max_examples=12, deadline=None)
def test_flips_equal_those_of_the_whole_network(entry_level, seed, number, batch):
    model = exact_network(seed)
    names, weights = ("abcd", None) if entry_level is None else entry_weights("abcd", entry_level)
    given_ = conflict(seed, number, names)
    before, expected = flips_by_silencing(
        model, *given_, lambda scores: [names[i] for i in decide(scores, weights)]
    )
    scores, flips = ablate(model, *given_, entry_level=entry_level, batch=batch)
    assert named(flips) == expected
    _, image_ids, shapes, textures = given_
    shape_of, texture_of = (
        dict(zip(image_ids, labels, strict=True)) for labels in (shapes, textures)
    )
    pairs = list(zip(before, shapes, textures, strict=True))
    assert set(scores["n_shape"]) == {sum(b == s != t for b, s, t in pairs)}
    assert set(scores["n_texture"]) == {sum(b == t != s for b, s, t in pairs)}
    for row in scores.itertuples():
        own = [flip for flip in expected if flip[:2] == (row.layer, row.channel)]
        assert row.shape_score == sum(flip[3] == shape_of[flip[2]] for flip in own)
        assert row.texture_score == sum(flip[3] == texture_of[flip[2]] for flip in own)
    means = changes_by_silencing(
        model,
        given_[0],
        shapes,
        textures,
        lambda scores: [
            dict(zip(names, row.tolist(), strict=True)) for row in probabilities(scores, weights)
        ],
    )
    for found, own in zip(scores[CHANGES].to_numpy(), means, strict=True):
        # Two roundings: to five decimals, and of float32.
        assert found.tolist() == pytest.approx(own, abs=6e-6, nan_ok=True)


@pytest.mark.parametrize(
    "settings_",
    [
        {"kind": "alexnet", "width": 0.125},
        {"kind": "googlenet", "width": 0.125},
        {"kind": "resnet", "depth": 18, "width": 0.125},
    ],
    ids=lambda settings_: settings_["kind"],
)
def test_real_architectures_equal_the_whole_network(settings_):
    torch.manual_seed(0)
    model = build("architectures", classes=list("abcd"), input_size=64, **settings_).eval()
    images = torch.rand(12, 3, 64, 64)
    with torch.no_grad():
        scores = model(images)
        # Untrained networks favour one class: with the means removed they decide for several.
        list(model.network.modules())[-1].bias -= scores.mean(dim=0)
        decided = model(images).argmax(dim=1).tolist()
    own, other = ([model.classes[(i + step) % 4] for i in decided] for step in (0, 1))
    half = [own[:6] + other[6:], other[:6] + own[6:]]
    channels = {layer: [0, number - 1] for layer, number in model.channels().items()}
    ids = [str(i) for i in range(12)]
    _, expected = flips_by_silencing(
        model,
        images,
        ids,
        *half,
        lambda scores: [model.classes[i] for i in decide(scores, None)],
        channels,
    )
    scores, flips = ablate(model, images, ids, *half, channels=channels, batch=5)
    assert named(flips) == expected
    assert scores["n_shape"][0] == scores["n_texture"][0] == 6
    assert len(expected) > 0


def rounding_network():
    """Network of the real kind, whose sums round, with images that it decides differently."""
    torch.manual_seed(3)
    model = build("architectures", classes=list("abcd"), input_size=64, kind="alexnet", width=0.125)
    images = torch.rand(11, 3, 64, 64)
    with torch.no_grad():
        list(model.network.modules())[-1].bias -= model.eval()(images).mean(dim=0)
        decided = [model.classes[i] for i in model(images).argmax(dim=1)]
    other = [model.classes[model.classes.index(name) - 1] for name in decided]
    return model, (images, list("ABCDEFGHIJK"), decided[:6] + other[6:], other[:6] + decided[6:])


@pytest.mark.parametrize("parts", [3])
def test_numbers_do_not_tell_how_channels_were_shared_out(parts):
    model, given_ = rounding_network()
    counts = {layer: n for layer, n in model.channels().items() if layer > "conv3"}
    shares = [parts_of(counts, part, parts) for part in range(parts)]
    whole = ablate(model, *given_, channels=parts_of(counts, 0, 1), batch=8)
    apart = zip(*[ablate(model, *given_, channels=own, batch=8) for own in shares], strict=True)
    for expected, found in zip(whole, apart, strict=True):
        joined = pd.concat(found, ignore_index=True)
        # Bit for bit.
        pd.testing.assert_frame_equal(joined, expected, check_exact=True)


def test_numbers_hardly_tell_the_batch():
    model, given_ = rounding_network()
    channels = {"conv2": range(2), "conv5": range(5)}
    (scores, flips), *others = (ablate(model, *given_, channels=channels, batch=n) for n in (64, 3))
    assert (scores[CHANGES] != 0).any(axis=None)
    for other, other_flips in others:
        pd.testing.assert_frame_equal(other.drop(columns=CHANGES), scores.drop(columns=CHANGES))
        assert named(other_flips) == named(flips)
        chances = FLIPS[3:]
        for one, two in ((other[CHANGES], scores[CHANGES]), (other_flips[chances], flips[chances])):
            assert (one - two).abs().max(axis=None) < 1.1e-5


def test_a_channel_that_is_dead_changes_nothing():
    for seed in range(3):
        scores, flips = ablate(exact_network(seed), *conflict(seed, 12, "abcd"), batch=5)
        dead, alive = (scores[scores["channel"].eq(0) == flag] for flag in (True, False))
        assert (dead[CHANGES].to_numpy() == 0).all()
        assert (alive[CHANGES].to_numpy() != 0).any()
        assert (flips["channel"] > 0).all()


def test_near_ties_are_settled_by_the_network_on_the_image_alone():
    judge = StableDecisions(network({}, [], classes=("a", "b", "c"), size=8))
    asked = []

    def alone(place):
        asked.append(place)
        return torch.tensor([[2.0, 5.0, 1.0]])

    scores = torch.tensor([[3.0, 1, 1], [4, 4 - 1e-5, 0], [1, 1, 1.1], [0, 3, 3]])
    decisions, chances = judge.judge(scores, alone)
    assert asked == [1, 3]
    assert decisions.tolist() == [0, 1, 2, 1]
    assert torch.equal(chances[1], torch.tensor([2.0, 5.0, 1.0]).softmax(0).double())


@pytest.mark.parametrize("factor", [1e4, 1e5, 1e6])
@pytest.mark.parametrize("seed", range(3))
def test_what_falls_without_a_channel_that_outdoes_all_others(factor, seed):
    torch.manual_seed(seed)
    first, linear = nn.Conv2d(3, 6, 3), nn.Linear(8, 4)
    first.weight.data[0] *= factor
    model = network(
        {"first": [first, nn.ReLU()], "second": [nn.Conv2d(6, 8, 3), nn.ReLU()]},
        [nn.AdaptiveAvgPool2d(1), nn.Flatten(), linear],
        classes=tuple("abcd"),
        size=12,
    ).eval()
    images, ids = torch.rand(40, 3, 12, 12), [str(i) for i in range(40)]
    with torch.no_grad():
        # Without that channel the network is undecided.
        with model.ablated("first", [0]):
            linear.bias -= model(images).mean(dim=0)
        decided = model(images).argmax(dim=1).tolist()
    given_ = images, ids, *([model.classes[i - step] for i in decided] for step in (0, 1))
    _, expected = flips_by_silencing(
        model, *given_, lambda scores: [model.classes[i] for i in decide(scores, None)]
    )
    assert named(ablate(model, *given_, batch=16)[1]) == expected
    assert len(expected) > 0


def test_images_whose_batch_norm_would_mix_them_are_run_apart():
    torch.manual_seed(0)
    middle = [nn.Conv2d(4, 5, 3), nn.BatchNorm2d(5, track_running_stats=False), nn.ReLU()]
    linear = nn.Linear(5, 4)
    model = network(
        {"first": [nn.Conv2d(3, 4, 3), nn.ReLU()], "second": middle},
        [nn.AdaptiveAvgPool2d(1), nn.Flatten(), linear],
        classes=tuple("abcd"),
        size=12,
    ).eval()
    images = torch.rand(8, 3, 12, 12)

    def alone(images):
        return torch.cat([model(image[None]) for image in images])

    with torch.no_grad():
        linear.bias -= alone(images).mean(dim=0)
        before = alone(images).argmax(dim=1)
    shapes, textures = ([model.classes[i - step] for i in before] for step in (0, 1))
    expected = []
    for layer, number in model.channels().items():
        for channel in range(number):
            with torch.no_grad(), model.ablated(layer, [channel]):
                after = alone(images).argmax(dim=1)
            expected += [
                (layer, channel, str(i), shapes[i], model.classes[after[i]])
                for i in (after != before).nonzero().flatten().tolist()
            ]
    found = ablate(model, images, list("01234567"), shapes, textures, batch=5)[1]
    assert named(found) == expected
    assert len(expected) > 0


def test_some_flips_happen_at_all():
    total = sum(
        len(ablate(exact_network(s), *conflict(s, 12, "abcd"), batch=8)[1]) for s in range(5)
    )
    assert total > 20


def test_the_one_channel_that_is_read_loses_its_images():
    model = one_channel_reader()
    images = torch.zeros(6, 3, 8, 8)
    images[:4, 0] = 1.0
    images[:, 1] = 0.7
    ids = list("uvwxyz")
    shapes = ["bright", "bright", "bright", "dark", "dark", "bright"]
    textures = ["dark", "dark", "dark", "bright", "bright", "dark"]
    scores, flips = ablate(model, images, ids, shapes, textures, batch=4)
    assert scores.columns.tolist() == [
        "layer", "channel", "n_shape", "n_texture", "shape_score", "texture_score",
        "mean_shape_change", "mean_texture_change",
    ]  # fmt: skip
    assert scores["n_shape"].tolist() == [4, 4, 4]
    assert scores["n_texture"].tolist() == [2, 2, 2]
    assert scores["shape_score"].tolist() == [3, 0, 0]
    assert scores["texture_score"].tolist() == [1, 0, 0]
    assert flips["image_id"].tolist() == list("uvwx")
    assert set(flips["before"]) == {"bright"}
    assert set(flips["after"]) == {"dark"}
    # The scores of bright and dark are the mean red, 1, and 0.5; without the channel 0 and 0.5.
    likely, unlikely = (1 / (1 + np.exp(-gap)) for gap in (0.5, -0.5))
    expected = {"before_intact": likely, "before_silenced": unlikely}
    expected |= {"after_intact": unlikely, "after_silenced": likely}
    for name, value in expected.items():
        assert flips[name].tolist() == pytest.approx([value] * 4, abs=5.1e-6), name
    lost = unlikely - likely
    assert scores["mean_shape_change"].tolist() == pytest.approx([lost * 3 / 4, 0, 0], abs=5.1e-6)
    assert scores["mean_texture_change"].tolist() == pytest.approx([lost / 2, 0, 0], abs=5.1e-6)


def test_images_whose_cues_agree_are_left_out():
    scores, flips = ablate(
        one_channel_reader(), torch.ones(2, 3, 8, 8), ["u", "v"], ["bright"] * 2, ["bright"] * 2,
        batch=2,
    )  # fmt: skip
    assert scores[["n_shape", "n_texture", "shape_score", "texture_score"]].to_numpy().sum() == 0
    assert flips.columns.tolist() == ["layer", "channel", *FLIPS]
    assert scores[["mean_shape_change", "mean_texture_change"]].isna().all(axis=None)
    assert len(flips) == 0


def test_channels_can_be_chosen():
    model, given_ = exact_network(2), conflict(2, 10, "abcd")
    scores, flips = ablate(model, *given_, batch=4)
    some = {"conv2": range(1, 4)}
    chosen_scores, chosen_flips = ablate(model, *given_, channels=some, batch=4)
    for whole, part in ((scores, chosen_scores), (flips, chosen_flips)):
        expected = whole[(whole["layer"] == "conv2") & whole["channel"].isin(some["conv2"])]
        pd.testing.assert_frame_equal(part, expected.reset_index(drop=True))
    none, _ = ablate(model, *given_, channels={}, batch=4)
    assert len(none) == 0


def test_rows_of_an_image_set_give_the_same():
    images, ids, shapes, textures = conflict(4, 6, "abcd")
    images = (images * 255).round() / 255
    rows = [
        {
            "image_id": image_id,
            "pixels": (image * 255).round().byte().permute(1, 2, 0).numpy(),
            "shape": shape,
            "texture": texture,
        }
        for image, image_id, shape, texture in zip(images, ids, shapes, textures, strict=True)
    ]
    model = exact_network(4)
    found = ablate_rows(model, rows, batch=3)
    expected = ablate(model, images, ids, shapes, textures, batch=3)
    pd.testing.assert_frame_equal(found[0], expected[0])
    pd.testing.assert_frame_equal(found[1], expected[1])


def test_modes_and_progress():
    model, seen = exact_network(2).train(), []
    images, ids, shapes, textures = conflict(2, 12, "abcd")
    scores, _ = ablate(model, images, ids, shapes, textures, batch=2, progress=seen.append)
    # What no channel can flip is done at once.
    assert 12 - seen[0] == scores["n_shape"][0] + scores["n_texture"][0] > 0
    assert sum(seen) == 12
    assert all(module.training for module in model.modules())


def test_mistakes_are_named():
    images, ids, shapes, textures = conflict(2, 3, "abcd")
    with pytest.raises(UnknownName, match="cue-conflict"):
        ablate(exact_network(0), images, ids, ["dog"] * 3, textures, batch=2)
    with pytest.raises(ShapebiasError, match="differ in number"):
        ablate(exact_network(0), images, ids[:2], shapes, textures, batch=2)
