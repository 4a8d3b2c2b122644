import statistics

import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from shapebias.ablation.concepts import ablate_groups
from shapebias.ablation.random_controls import RandomControl
from shapebias.ablation.unit_groups import MODES, Group, unit_groups
from shapebias.networks.decisions import EntryLevel
from shapebias.networks.wrapping.hooked import HookedClassifier
from tests.helpers.planted_networks import exact_images, exact_network, one_channel_reader

ENTRY = {"a": "x", "b": "y", "c": "x", "d": "z"}
LABELS = pd.DataFrame(
    [
        ("conv1", 0, "red", "color", 0.2),
        ("conv1", 1, "blue", "color", 0.04),
        ("conv1", 2, "cat", "object", 0.03),
        ("conv2", 3, "red", "color", 0.5),
        ("conv2", 1, "cat", "object", 0.3),
        ("conv2", 0, "cat", "object", 0.0),
    ],
    columns=["layer", "channel", "concept", "category", "iou"],
)


def tuples(groups):
    return [(g.layer, g.category, g.concept, dict(g.channels)) for g in groups]


def test_groups_by_concept_and_category():
    assert tuples(unit_groups(LABELS, iou_cut=0.04, each_layer=False)) == [
        ("all", "object", "all", {"conv2": [1]}),
        ("all", "object", "cat", {"conv2": [1]}),
        ("all", "color", "all", {"conv1": [0, 1], "conv2": [3]}),
        ("all", "color", "blue", {"conv1": [1]}),
        ("all", "color", "red", {"conv1": [0], "conv2": [3]}),
    ]
    # A channel of IoU 0 has no label, whatever the cut.
    assert tuples(unit_groups(LABELS, iou_cut=0.0, each_layer=True))[:3] == [
        ("all", "object", "all", {"conv1": [2], "conv2": [1]}),
        ("conv1", "object", "all", {"conv1": [2]}),
        ("conv2", "object", "all", {"conv2": [1]}),
    ]
    assert unit_groups(LABELS, iou_cut=0.9, each_layer=True) == []


def test_keep_only_ablates_within_the_layers_of_the_group():
    group = Group("all", "color", "all", {"conv1": [0, 2], "conv2": [1]})
    counts = {"conv1": 4, "conv2": 2, "conv3": 9}
    assert group.ablated("keep_only", counts) == {"conv1": [1, 3], "conv2": [0]}
    assert group.ablated("zero", counts) == group.channels


def batches_of(images, labels):
    """One batch of labelled images."""
    return [([str(i) for i in range(len(labels))], images, labels)]


def rows_of(images, shapes, textures):
    columns = zip(images, shapes, textures, strict=True)
    return [
        {
            "image_id": str(i),
            "pixels": (image * 255).round().byte().permute(1, 2, 0).numpy(),
            "shape": shape,
            "texture": texture,
        }
        for i, (image, shape, texture) in enumerate(columns)
    ]


@torch.no_grad()
def scores_singly(model, images):
    """Scores of the whole network, image by image: the sums of such pixels depend on the batch."""
    return torch.cat([model.eval().network(image[None]) for image in images])


@torch.no_grad()
def scores_with_hooks(model, group, mode, images):
    """Scores of the whole network, whose layers are its second and fourth module."""
    handles = []
    for layer, channels in group.channels.items():
        in_group = torch.zeros(model.channels()[layer])
        in_group[channels] = 1.0
        factor = (1 - in_group if mode == "zero" else in_group)[:, None, None]
        module = model.network[{"conv1": 1, "conv2": 3}[layer]]
        handles.append(module.register_forward_hook(lambda _, __, out, f=factor: out * f))
    scores = scores_singly(model, images)
    for handle in handles:
        handle.remove()
    return scores


@pytest.mark.parametrize("entry_level", [None, ENTRY])
@given(seed=st.integers(0, 10**6), batch=st.integers(1, 9))
@settings(max_examples=8, deadline=None)
def test_scores_equal_those_with_hooks(entry_level, seed, batch):
    model = exact_network(seed)
    level = EntryLevel("abcd", entry_level)
    names = level.classes
    rng = torch.Generator().manual_seed(seed)
    shapes, textures = ([names[i] for i in torch.randint(len(names), (9,), generator=rng)]
                        for _ in range(2))  # fmt: skip
    rows = rows_of(exact_images(seed, 9), shapes, textures)
    images = torch.stack([torch.from_numpy(row["pixels"]).permute(2, 0, 1) / 255 for row in rows])
    clean, labels = exact_images(seed + 1, 7), ["abcd"[i % 4] for i in range(7)]
    groups = unit_groups(LABELS, iou_cut=0.0, each_layer=True)
    batches = batches_of(clean[:4], labels[:4]) + batches_of(clean[4:], labels[4:])
    table = ablate_groups(model, groups, rows, batches, entry_level=entry_level, batch=batch)
    unablated = level.probabilities(scores_singly(model, images))
    before = unablated.argmax(dim=1)
    units = [(group, mode) for group in groups for mode in MODES]
    assert len(table) == len(units) > 10
    for (group, mode), row in zip(units, table.itertuples(), strict=True):
        assert (row.layer, row.category, row.concept, row.mode) == (
            group.layer, group.category, group.concept, mode
        )  # fmt: skip
        scores = scores_with_hooks(model, group, mode, images)
        after, ablated = level.decide(scores), level.probabilities(scores)
        for cue, cues in (("shape", shapes), ("texture", textures)):
            by_cue = [
                i for i in range(9) if shapes[i] != textures[i] and names[before[i]] == cues[i]
            ]
            assert getattr(row, f"n_{cue}") == len(by_cue)
            assert getattr(row, f"{cue}_score") == sum(int(after[i] != before[i]) for i in by_cue)
            changes = [float(ablated[i, before[i]] - unablated[i, before[i]]) for i in by_cue]
            mean = sum(changes) / len(by_cue) if by_cue else float("nan")
            assert getattr(row, f"mean_{cue}_change") == pytest.approx(mean, abs=6e-6, nan_ok=True)
        predicted = ["abcd"[i] for i in scores_with_hooks(model, group, mode, clean).argmax(dim=1)]
        assert row.accuracy_after == sum(map(str.__eq__, predicted, labels)) / 7
        assert row.n_clean == 7


def test_only_ablating_the_concept_that_decides_has_an_effect():
    model = one_channel_reader()
    labels = pd.DataFrame(
        [("colours", 0, "red", "color", 0.9), ("colours", 1, "green", "color", 0.9)],
        columns=["layer", "channel", "concept", "category", "iou"],
    )
    images = torch.zeros(4, 3, 8, 8)
    images[:, 0] = 1.0
    rows = rows_of(images, ["bright"] * 3 + ["dark"], ["dark"] * 3 + ["bright"])
    groups = unit_groups(labels, iou_cut=0.04, each_layer=False)
    clean = torch.cat([images, torch.zeros(2, 3, 8, 8)])
    batches = batches_of(clean, ["bright"] * 4 + ["dark"] * 2)
    table = ablate_groups(model, groups, rows, batches, batch=3).set_index(["concept", "mode"])
    assert table["n_channels"].tolist() == [2, 2, 1, 1, 1, 1]
    assert (table["accuracy_before"] == 1).all()
    without_red = {("all", "zero"), ("green", "keep_only"), ("red", "zero")}
    for key, row in table.iterrows():
        assert row["accuracy_after"] == (2 / 6 if key in without_red else 1), key
        assert row["shape_score"] == (3 if key in without_red else 0), key
        assert row["texture_score"] == (1 if key in without_red else 0), key


def test_entry_level_labels_of_clean_images_are_scored_by_entry_level():
    model = exact_network(5)
    clean = exact_images(5, 12)
    with torch.no_grad():
        decided = ["xyz"[i] for i in EntryLevel("abcd", ENTRY).decide(model.eval()(clean))]
    rows = rows_of(exact_images(6, 3), ["x", "y", "z"], ["y", "z", "x"])
    groups = unit_groups(LABELS, iou_cut=0.04, each_layer=False)[:1]
    batches = batches_of(clean, decided)
    table = ablate_groups(model, groups, rows, batches, entry_level=ENTRY, batch=4)
    assert (table["accuracy_before"] == 1).all()


GROUPS = unit_groups(LABELS, iou_cut=0.0, each_layer=True)
COUNTS = {"conv1": 6, "conv2": 8}


def test_random_sets_have_the_sizes_of_the_group_and_depend_only_on_names():
    sets = {
        tuples([group])[0][:3]: RandomControl(4, 1, "a").sets(group, COUNTS) for group in GROUPS
    }
    for group, drawn in zip(GROUPS, sets.values(), strict=True):
        assert len(drawn) == 4 and len(set(map(repr, drawn))) > 1
        for channels in drawn:
            assert {layer: len(set(numbers)) for layer, numbers in channels.items()} == {
                layer: len(numbers) for layer, numbers in group.channels.items()
            }
            for layer, numbers in channels.items():
                assert all(0 <= number < COUNTS[layer] for number in numbers)
    # The draws in a layer do not depend on the other layers, nor on the number of draws.
    pairs = zip(sets["all", "color", "red"], sets["conv1", "color", "red"], strict=True)
    for in_all_layers, in_one_layer in pairs:
        assert in_one_layer["conv1"] == in_all_layers["conv1"]
    assert RandomControl(2, 1, "a").sets(GROUPS[0], COUNTS) == sets["all", "object", "all"][:2]
    for other in (RandomControl(4, 2, "a"), RandomControl(4, 1, "b")):
        assert other.sets(GROUPS[0], COUNTS) != sets["all", "object", "all"]
    assert sets["all", "color", "all"] != sets["all", "object", "all"]


def test_control_columns_equal_the_scores_of_the_random_sets():
    model = exact_network(3)
    rows = rows_of(exact_images(3, 9), list("abcdabcda"), list("bcdabcdab"))
    clean, labels = exact_images(4, 8), list("abcdabcd")
    groups, control = unit_groups(LABELS, iou_cut=0.04, each_layer=True), RandomControl(3, 5, "net")
    batches = batches_of(clean, labels)
    plain = ablate_groups(model, groups, rows, batches, batch=4)
    table = ablate_groups(model, groups, rows, batches, control=control, batch=4)
    other = [column for column in plain if "random" not in column and column != "n_draws"]
    pd.testing.assert_frame_equal(table[other], plain[other])
    assert (plain["n_draws"] == 0).all() and plain["random_accuracy"].isna().all()
    assert table["n_draws"].tolist() == [3, 0] * len(groups)
    assert table["random_accuracy"].isna().tolist() == [False, True] * len(groups)
    for group, (_, row) in zip(groups, table[::2].iterrows(), strict=True):
        drawn = [
            Group(group.layer, group.category, group.concept, channels)
            for channels in control.sets(group, model.channels())
        ]
        scores = ablate_groups(model, drawn, rows, batches, batch=4)[::2]
        for column, name in (
            ("shape_score", "random_shape_score"),
            ("texture_score", "random_texture_score"),
            ("accuracy_after", "random_accuracy"),
        ):
            assert row[name] == pytest.approx(statistics.mean(scores[column]))
            assert row[f"{name}_sd"] == pytest.approx(statistics.stdev(scores[column]))


def test_equal_sets_of_channels_are_ablated_once(monkeypatch):
    model, calls = exact_network(2), []
    rows = rows_of(exact_images(2, 4), list("abcd"), list("bcda"))
    # One concept in one layer: four groups of equal channels.
    groups = unit_groups(LABELS[LABELS["concept"] == "blue"], iou_cut=0.0, each_layer=True)
    ablated = model.ablated
    monkeypatch.setattr(model, "ablated", lambda *args: calls.append(args) or ablated(*args))
    batches = batches_of(exact_images(1, 4), list("abcd"))
    table = ablate_groups(model, groups, rows, batches, batch=4)
    assert len(groups) == 4 and len(table) == 8
    assert len(set(map(repr, calls))) == 2 and len(calls) in (2, 4)


def test_a_network_that_cannot_be_split_gives_equal_results():
    model = exact_network(8)
    hooked = HookedClassifier(
        model.network, layers={"conv1": "1", "conv2": "3"}, classes=model.classes,
        mean=[0.0] * 3, std=[1.0] * 3, input_size=8,
    )  # fmt: skip
    rows = rows_of(exact_images(8, 8), list("abcdabcd"), list("bcdabcda"))
    clean = batches_of(exact_images(9, 6), list("abcdab"))
    groups = unit_groups(LABELS, iou_cut=0.0, each_layer=False)
    table, expected = (ablate_groups(m, groups, rows, clean, batch=5) for m in (hooked, model))
    pd.testing.assert_frame_equal(table, expected)


def test_a_network_without_detectors_has_no_rows():
    rows = rows_of(exact_images(1, 2), ["a", "b"], ["b", "a"])
    assert len(ablate_groups(exact_network(1), [], rows, [], batch=2)) == 0
