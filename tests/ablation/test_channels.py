import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from shapebias.ablation.channels import ablate, ablate_rows
from shapebias.ablation.scores import CHANGES, FLIPS
from shapebias.ablation.stable_decisions import StableDecisions
from shapebias.errors import ShapebiasError, UnknownName
from shapebias.networks.channel_parts import parts_of
from shapebias.networks.decisions import EntryLevel
from shapebias.plugins import build
from tests.helpers.planted_networks import exact_images, exact_network, network, one_channel_reader
from tests.helpers.reference_implementations import changes_by_full_runs, flips_by_full_runs

ENTRY = {"a": "x", "b": "y", "c": "x", "d": "z"}


def conflict_images(seed, number, classes):
    """Random images with random shape and texture classes; some agree."""
    generator = np.random.default_rng(seed)
    shapes, textures = (generator.choice(list(classes), number).tolist() for _ in range(2))
    return exact_images(seed, number), [f"image{i}" for i in range(number)], shapes, textures


def rows_without_probabilities(flips):
    """Layer, channel, image and classes of each flip."""
    return list(flips.iloc[:, :5].itertuples(index=False, name=None))


@pytest.mark.parametrize("entry_level", [None, ENTRY])
@given(seed=st.integers(0, 10**6), number=st.integers(1, 12), batch=st.integers(1, 7))
@settings(max_examples=12, deadline=None)
def test_flips_equal_those_of_full_runs(entry_level, seed, number, batch):
    model = exact_network(seed)
    level = EntryLevel("abcd", entry_level)
    names = level.classes
    arguments = conflict_images(seed, number, names)
    before, expected = flips_by_full_runs(
        model, *arguments, lambda scores: [names[i] for i in level.decide(scores)]
    )
    scores, flips = ablate(model, *arguments, entry_level=entry_level, batch=batch)
    assert rows_without_probabilities(flips) == expected
    images, image_ids, shapes, textures = arguments
    shape_of, texture_of = (
        dict(zip(image_ids, labels, strict=True)) for labels in (shapes, textures)
    )
    pairs = list(zip(before, shapes, textures, strict=True))
    assert set(scores["n_shape"]) == {sum(b == s != t for b, s, t in pairs)}
    assert set(scores["n_texture"]) == {sum(b == t != s for b, s, t in pairs)}
    for row in scores.itertuples():
        of_channel = [flip for flip in expected if flip[:2] == (row.layer, row.channel)]
        assert row.shape_score == sum(flip[3] == shape_of[flip[2]] for flip in of_channel)
        assert row.texture_score == sum(flip[3] == texture_of[flip[2]] for flip in of_channel)
    means = changes_by_full_runs(
        model,
        images,
        shapes,
        textures,
        lambda scores: [
            dict(zip(names, row.tolist(), strict=True)) for row in level.probabilities(scores)
        ],
    )
    for changes, expected_changes in zip(scores[CHANGES].to_numpy(), means, strict=True):
        # Rounding to five decimals, and that of float32.
        assert changes.tolist() == pytest.approx(expected_changes, abs=6e-6, nan_ok=True)


@pytest.mark.parametrize(
    "architecture",
    [
        {"kind": "alexnet", "width": 0.125},
        {"kind": "googlenet", "width": 0.125},
        {"kind": "resnet", "depth": 18, "width": 0.125},
    ],
    ids=lambda architecture: architecture["kind"],
)
def test_flips_of_real_architectures_equal_those_of_full_runs(architecture):
    torch.manual_seed(0)
    model = build("architectures", classes=list("abcd"), input_size=64, **architecture).eval()
    images = torch.rand(12, 3, 64, 64)
    with torch.no_grad():
        scores = model(images)
        # Without the mean scores the untrained network decides for several classes.
        list(model.network.modules())[-1].bias -= scores.mean(dim=0)
        decided = model(images).argmax(dim=1).tolist()
    predicted, other = ([model.classes[(i + step) % 4] for i in decided] for step in (0, 1))
    cues = [predicted[:6] + other[6:], other[:6] + predicted[6:]]
    channels = {layer: [0, number - 1] for layer, number in model.channels().items()}
    ids = [str(i) for i in range(12)]
    _, expected = flips_by_full_runs(
        model,
        images,
        ids,
        *cues,
        lambda scores: [model.classes[i] for i in scores.argmax(dim=1)],
        channels,
    )
    scores, flips = ablate(model, images, ids, *cues, channels=channels, batch=5)
    assert rows_without_probabilities(flips) == expected
    assert scores["n_shape"][0] == scores["n_texture"][0] == 6
    assert len(expected) > 0


def rounding_network():
    """Network with inexact sums, and cue-conflict images of several predicted classes."""
    torch.manual_seed(3)
    model = build("architectures", classes=list("abcd"), input_size=64, kind="alexnet", width=0.125)
    images = torch.rand(11, 3, 64, 64)
    with torch.no_grad():
        list(model.network.modules())[-1].bias -= model.eval()(images).mean(dim=0)
        decided = [model.classes[i] for i in model(images).argmax(dim=1)]
    other = [model.classes[model.classes.index(name) - 1] for name in decided]
    return model, (images, list("ABCDEFGHIJK"), decided[:6] + other[6:], other[:6] + decided[6:])


def test_results_do_not_depend_on_the_parts():
    model, arguments = rounding_network()
    counts = {layer: n for layer, n in model.channels().items() if layer > "conv3"}
    whole = ablate(model, *arguments, channels=parts_of(counts, 0, 1), batch=8)
    parts = [
        ablate(model, *arguments, channels=parts_of(counts, part, 3), batch=8) for part in range(3)
    ]
    for expected, frames in zip(whole, zip(*parts, strict=True), strict=True):
        joined = pd.concat(frames, ignore_index=True)
        # Equal to the last bit.
        pd.testing.assert_frame_equal(joined, expected, check_exact=True)


def test_results_hardly_depend_on_the_batch():
    model, arguments = rounding_network()
    channels = {"conv2": range(2), "conv5": range(5)}
    (scores, flips), (other, other_flips) = (
        ablate(model, *arguments, channels=channels, batch=batch) for batch in (64, 3)
    )
    assert (scores[CHANGES] != 0).any(axis=None)
    pd.testing.assert_frame_equal(other.drop(columns=CHANGES), scores.drop(columns=CHANGES))
    assert rows_without_probabilities(other_flips) == rows_without_probabilities(flips)
    assert (other[CHANGES] - scores[CHANGES]).abs().max(axis=None) < 1.1e-5
    assert (other_flips[FLIPS[3:]] - flips[FLIPS[3:]]).abs().max(axis=None) < 1.1e-5


def test_ablating_a_dead_channel_changes_nothing():
    for seed in range(3):
        scores, flips = ablate(exact_network(seed), *conflict_images(seed, 12, "abcd"), batch=5)
        dead, alive = (scores[scores["channel"].eq(0) == flag] for flag in (True, False))
        assert (dead[CHANGES].to_numpy() == 0).all()
        assert (alive[CHANGES].to_numpy() != 0).any()
        assert (flips["channel"] > 0).all()


def test_near_ties_are_rerun_one_image_at_a_time():
    stable = StableDecisions(network({}, [], classes=("a", "b", "c"), size=8))
    rerun = []

    def rerun_single(index):
        rerun.append(index)
        return torch.tensor([[2.0, 5.0, 1.0]])

    scores = torch.tensor([[3.0, 1, 1], [4, 4 - 1e-5, 0], [1, 1, 1.1], [0, 3, 3]])
    decisions, probabilities = stable.decide(scores, rerun_single)
    assert rerun == [1, 3]
    assert decisions.tolist() == [0, 1, 2, 1]
    assert torch.equal(probabilities[1], torch.tensor([2.0, 5.0, 1.0]).softmax(0).double())


@pytest.mark.parametrize("factor", [1e4, 1e5, 1e6])
@pytest.mark.parametrize("seed", range(3))
def test_flips_without_a_channel_that_dominates_all_others(factor, seed):
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
        # Without that channel the mean scores of the classes are equal.
        with model.ablated("first", [0]):
            linear.bias -= model(images).mean(dim=0)
        decided = model(images).argmax(dim=1).tolist()
    arguments = images, ids, *([model.classes[i - step] for i in decided] for step in (0, 1))
    _, expected = flips_by_full_runs(
        model, *arguments, lambda scores: [model.classes[i] for i in scores.argmax(dim=1)]
    )
    assert rows_without_probabilities(ablate(model, *arguments, batch=16)[1]) == expected
    assert len(expected) > 0


def test_images_run_singly_with_a_batch_norm_without_running_statistics():
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

    def run_singly(images):
        return torch.cat([model(image[None]) for image in images])

    with torch.no_grad():
        linear.bias -= run_singly(images).mean(dim=0)
        before = run_singly(images).argmax(dim=1)
    shapes, textures = ([model.classes[i - step] for i in before] for step in (0, 1))
    expected = []
    for layer, number in model.channels().items():
        for channel in range(number):
            with torch.no_grad(), model.ablated(layer, [channel]):
                after = run_singly(images).argmax(dim=1)
            expected += [
                (layer, channel, str(i), shapes[i], model.classes[after[i]])
                for i in (after != before).nonzero().flatten().tolist()
            ]
    flips = ablate(model, images, list("01234567"), shapes, textures, batch=5)[1]
    assert rows_without_probabilities(flips) == expected
    assert len(expected) > 0


def test_ablation_flips_decisions():
    total = sum(
        len(ablate(exact_network(s), *conflict_images(s, 12, "abcd"), batch=8)[1]) for s in range(5)
    )
    assert total > 20


def test_only_the_channel_that_the_network_reads_has_scores():
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
    # The scores of bright and dark are 1 (the mean red) and 0.5, and 0 and 0.5 when ablated.
    likely, unlikely = (1 / (1 + np.exp(-gap)) for gap in (0.5, -0.5))
    expected = {"before_unablated": likely, "before_ablated": unlikely}
    expected |= {"after_unablated": unlikely, "after_ablated": likely}
    for name, value in expected.items():
        assert flips[name].tolist() == pytest.approx([value] * 4, abs=5.1e-6), name
    change = unlikely - likely
    assert scores["mean_shape_change"].tolist() == pytest.approx([change * 3 / 4, 0, 0], abs=5.1e-6)
    assert scores["mean_texture_change"].tolist() == pytest.approx([change / 2, 0, 0], abs=5.1e-6)


def test_images_whose_cues_agree_are_left_out():
    scores, flips = ablate(
        one_channel_reader(), torch.ones(2, 3, 8, 8), ["u", "v"], ["bright"] * 2, ["bright"] * 2,
        batch=2,
    )  # fmt: skip
    assert scores[["n_shape", "n_texture", "shape_score", "texture_score"]].to_numpy().sum() == 0
    assert flips.columns.tolist() == ["layer", "channel", *FLIPS]
    assert scores[["mean_shape_change", "mean_texture_change"]].isna().all(axis=None)
    assert len(flips) == 0


def test_channels_can_be_selected():
    model, arguments = exact_network(2), conflict_images(2, 10, "abcd")
    frames = ablate(model, *arguments, batch=4)
    parts = ablate(model, *arguments, channels={"conv2": range(1, 4)}, batch=4)
    for frame, part in zip(frames, parts, strict=True):
        expected = frame[(frame["layer"] == "conv2") & frame["channel"].isin(range(1, 4))]
        pd.testing.assert_frame_equal(part, expected.reset_index(drop=True))
    scores, flips = ablate(model, *arguments, channels={}, batch=4)
    assert len(scores) == len(flips) == 0


def test_rows_of_an_image_set_give_equal_results():
    images, ids, shapes, textures = conflict_images(4, 6, "abcd")
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
    frames = ablate_rows(model, rows, batch=3)
    expected = ablate(model, images, ids, shapes, textures, batch=3)
    pd.testing.assert_frame_equal(frames[0], expected[0])
    pd.testing.assert_frame_equal(frames[1], expected[1])


def test_modes_and_progress():
    model, counts = exact_network(2).train(), []
    images, ids, shapes, textures = conflict_images(2, 12, "abcd")
    scores, _ = ablate(model, images, ids, shapes, textures, batch=2, progress=counts.append)
    # Images that are not decided by a cue are finished at once.
    assert 12 - counts[0] == scores["n_shape"][0] + scores["n_texture"][0] > 0
    assert sum(counts) == 12
    assert all(module.training for module in model.modules())


def test_errors_name_the_problem():
    images, ids, shapes, textures = conflict_images(2, 3, "abcd")
    with pytest.raises(UnknownName, match="cue-conflict"):
        ablate(exact_network(0), images, ids, ["dog"] * 3, textures, batch=2)
    with pytest.raises(ShapebiasError, match="texture_labels differ in length"):
        ablate(exact_network(0), images, ids[:2], shapes, textures, batch=2)
