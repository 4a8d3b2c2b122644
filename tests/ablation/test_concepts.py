import statistics

import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from shapebias.ablation.concepts import ablate_groups
from shapebias.ablation.random_controls import RandomControl
from shapebias.ablation.stable_decisions import probabilities
from shapebias.ablation.unit_groups import MODES, Group, unit_groups
from shapebias.networks.decisions import decide, entry_weights
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


def named(groups):
    return [(g.layer, g.category, g.concept, dict(g.channels)) for g in groups]


def test_groups():
    assert named(unit_groups(LABELS, iou_cut=0.04, each_layer=False)) == [
        ("all", "object", "all", {"conv2": [1]}),
        ("all", "object", "cat", {"conv2": [1]}),
        ("all", "color", "all", {"conv1": [0, 1], "conv2": [3]}),
        ("all", "color", "blue", {"conv1": [1]}),
        ("all", "color", "red", {"conv1": [0], "conv2": [3]}),
    ]
    # What meets no concept has no label, whatever the cut.
    assert named(unit_groups(LABELS, iou_cut=0.0, each_layer=True))[:3] == [
        ("all", "object", "all", {"conv1": [2], "conv2": [1]}),
        ("conv1", "object", "all", {"conv1": [2]}),
        ("conv2", "object", "all", {"conv2": [1]}),
    ]
    assert unit_groups(LABELS, iou_cut=0.9, each_layer=True) == []


def test_what_is_kept_is_kept_within_its_layers():
    group = Group("all", "color", "all", {"conv1": [0, 2], "conv2": [1]})
    counts = {"conv1": 4, "conv2": 2, "conv3": 9}
    assert group.silent("keep_only", counts) == {"conv1": [1, 3], "conv2": [0]}
    assert group.silent("zero", counts) == group.channels


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
def one_by_one(model, images):
    """Scores of the whole network; pixels of whole 255ths make sums that round by the batch."""
    return torch.cat([model.eval().network(image[None]) for image in images])


@torch.no_grad()
def by_hooks(model, group, mode, images):
    """Scores of the whole network, whose layers are its second and fourth module."""
    handles = []
    for layer, own in group.channels.items():
        inside = torch.zeros(model.channels()[layer])
        inside[own] = 1.0
        factor = (1 - inside if mode == "zero" else inside)[:, None, None]
        module = model.network[{"conv1": 1, "conv2": 3}[layer]]
        handles.append(module.register_forward_hook(lambda _, __, out, f=factor: out * f))
    scores = one_by_one(model, images)
    for handle in handles:
        handle.remove()
    return scores


@pytest.mark.parametrize("entry_level", [None, ENTRY])
@given(seed=st.integers(0, 10**6), batch=st.integers(1, 9))
@settings(max_examples=8, deadline=None)
def test_every_number_equals_that_by_hooks(entry_level, seed, batch):
    model = exact_network(seed)
    names, weights = ("abcd", None) if entry_level is None else entry_weights("abcd", entry_level)
    rng = torch.Generator().manual_seed(seed)
    shapes, textures = ([names[i] for i in torch.randint(len(names), (9,), generator=rng)]
                        for _ in range(2))  # fmt: skip
    rows = rows_of(exact_images(seed, 9), shapes, textures)
    images = torch.stack([torch.from_numpy(row["pixels"]).permute(2, 0, 1) / 255 for row in rows])
    clean, labels = exact_images(seed + 1, 7), ["abcd"[i % 4] for i in range(7)]
    groups = unit_groups(LABELS, iou_cut=0.0, each_layer=True)
    parts = [(None, clean[:4], labels[:4]), (None, clean[4:], labels[4:])]
    found = ablate_groups(model, groups, rows, parts, entry_level=entry_level, batch=batch)
    intact = probabilities(one_by_one(model, images), weights)
    before = intact.argmax(dim=1)
    units = [(group, mode) for group in groups for mode in MODES]
    assert len(found) == len(units) > 10
    for (group, mode), row in zip(units, found.itertuples(), strict=True):
        assert (row.layer, row.category, row.concept, row.mode) == (
            group.layer, group.category, group.concept, mode
        )  # fmt: skip
        scores = by_hooks(model, group, mode, images)
        after, chances = decide(scores, weights), probabilities(scores, weights)
        for cue, cues in (("shape", shapes), ("texture", textures)):
            own = [i for i in range(9) if shapes[i] != textures[i] and names[before[i]] == cues[i]]
            assert getattr(row, f"n_{cue}") == len(own)
            assert getattr(row, f"{cue}_score") == sum(int(after[i] != before[i]) for i in own)
            change = [float(chances[i, before[i]] - intact[i, before[i]]) for i in own]
            mean = sum(change) / len(own) if own else float("nan")
            assert getattr(row, f"mean_{cue}_change") == pytest.approx(mean, abs=6e-6, nan_ok=True)
        right = ["abcd"[i] for i in by_hooks(model, group, mode, clean).argmax(dim=1)]
        assert row.accuracy_after == sum(map(str.__eq__, right, labels)) / 7
        assert row.n_clean == 7


def test_the_concept_that_decides_is_told():
    model = one_channel_reader()
    labels = pd.DataFrame(
        [("colours", 0, "red", "color", 0.9), ("colours", 1, "green", "color", 0.9)],
        columns=["layer", "channel", "concept", "category", "iou"],
    )
    images = torch.zeros(4, 3, 8, 8)
    images[:, 0] = 1.0
    rows = rows_of(images, ["bright"] * 3 + ["dark"], ["dark"] * 3 + ["bright"])
    groups = unit_groups(labels, iou_cut=0.04, each_layer=False)
    clean = [(None, torch.cat([images, torch.zeros(2, 3, 8, 8)]), ["bright"] * 4 + ["dark"] * 2)]
    found = ablate_groups(model, groups, rows, clean, batch=3).set_index(["concept", "mode"])
    assert found["n_channels"].tolist() == [2, 2, 1, 1, 1, 1]
    assert (found["accuracy_before"] == 1).all()
    lost = {("all", "zero"), ("green", "keep_only"), ("red", "zero")}
    for key, row in found.iterrows():
        assert row["accuracy_after"] == (2 / 6 if key in lost else 1), key
        assert row["shape_score"] == (3 if key in lost else 0), key
        assert row["texture_score"] == (1 if key in lost else 0), key


def test_entry_level_labels_of_clean_images_are_scored_by_entry_level():
    model = exact_network(5)
    _, weights = entry_weights("abcd", ENTRY)
    clean = exact_images(5, 12)
    with torch.no_grad():
        decided = ["xyz"[i] for i in decide(model.eval()(clean), weights)]
    rows = rows_of(exact_images(6, 3), ["x", "y", "z"], ["y", "z", "x"])
    groups = unit_groups(LABELS, iou_cut=0.04, each_layer=False)[:1]
    found = ablate_groups(model, groups, rows, [(None, clean, decided)], entry_level=ENTRY, batch=4)
    assert (found["accuracy_before"] == 1).all()


GROUPS = unit_groups(LABELS, iou_cut=0.0, each_layer=True)
COUNTS = {"conv1": 6, "conv2": 8}


def test_random_sets_are_of_the_same_sizes_and_depend_on_names_alone():
    sets = {named([group])[0][:3]: RandomControl(4, 1, "a").sets(group, COUNTS) for group in GROUPS}
    for group, drawn in zip(GROUPS, sets.values(), strict=True):
        assert len(drawn) == 4 and len({repr(one) for one in drawn}) > 1
        for one in drawn:
            assert {layer: len(set(own)) for layer, own in one.items()} == {
                layer: len(own) for layer, own in group.channels.items()
            }
            assert all(0 <= k < COUNTS[layer] for layer, own in one.items() for k in own)
    # A layer's are those that it has among all layers, and fewer draws are the first ones.
    for draw, alone in zip(sets["all", "color", "red"], sets["conv1", "color", "red"], strict=True):
        assert alone["conv1"] == draw["conv1"]
    assert RandomControl(2, 1, "a").sets(GROUPS[0], COUNTS) == sets["all", "object", "all"][:2]
    for other in (RandomControl(4, 2, "a"), RandomControl(4, 1, "b")):
        assert other.sets(GROUPS[0], COUNTS) != sets["all", "object", "all"]
    assert sets["all", "color", "all"] != sets["all", "object", "all"]


def test_the_control_is_what_its_sets_cost_and_changes_nothing_else():
    model = exact_network(3)
    rows = rows_of(exact_images(3, 9), list("abcdabcda"), list("bcdabcdab"))
    clean, labels = exact_images(4, 8), list("abcdabcd")
    groups, control = unit_groups(LABELS, iou_cut=0.04, each_layer=True), RandomControl(3, 5, "net")
    given = {"batch": 4}
    plain = ablate_groups(model, groups, rows, [(None, clean, labels)], **given)
    found = ablate_groups(model, groups, rows, [(None, clean, labels)], control=control, **given)
    old = [column for column in plain if "random" not in column and column != "n_draws"]
    pd.testing.assert_frame_equal(found[old], plain[old])
    assert (plain["n_draws"] == 0).all() and plain["random_accuracy"].isna().all()
    assert found["n_draws"].tolist() == [3, 0] * len(groups)
    assert found["random_accuracy"].isna().tolist() == [False, True] * len(groups)
    for group, (_, row) in zip(groups, found[::2].iterrows(), strict=True):
        drawn = [
            Group(group.layer, group.category, group.concept, one)
            for one in control.sets(group, model.channels())
        ]
        alone = ablate_groups(model, drawn, rows, [(None, clean, labels)], **given)[::2]
        for column, name in (
            ("shape_score", "random_shape_score"),
            ("texture_score", "random_texture_score"),
            ("accuracy_after", "random_accuracy"),
        ):
            assert row[name] == pytest.approx(statistics.mean(alone[column]))
            assert row[f"{name}_sd"] == pytest.approx(statistics.stdev(alone[column]))


def test_equal_sets_of_channels_are_silenced_once(monkeypatch):
    model, runs = exact_network(2), []
    rows = rows_of(exact_images(2, 4), list("abcd"), list("bcda"))
    # The category has one concept, in one layer.
    groups = unit_groups(LABELS[LABELS["concept"] == "blue"], iou_cut=0.0, each_layer=True)
    silenced = model.silenced
    monkeypatch.setattr(model, "silenced", lambda *given: runs.append(given) or silenced(*given))
    found = ablate_groups(model, groups, rows, [(None, exact_images(1, 4), list("abcd"))], batch=4)
    assert len(groups) == 4 and len(found) == 8
    assert len(set(map(repr, runs))) == 2 and len(runs) in (2, 4)


def test_a_network_that_cannot_be_cut_gives_the_same():
    model = exact_network(8)
    hooked = HookedClassifier(
        model.network, layers={"conv1": "1", "conv2": "3"}, classes=model.classes,
        mean=[0.0] * 3, std=[1.0] * 3, input_size=8,
    )  # fmt: skip
    rows = rows_of(exact_images(8, 8), list("abcdabcd"), list("bcdabcda"))
    clean = [(None, exact_images(9, 6), list("abcdab"))]
    groups = unit_groups(LABELS, iou_cut=0.0, each_layer=False)
    found, expected = (ablate_groups(m, groups, rows, clean, batch=5) for m in (hooked, model))
    pd.testing.assert_frame_equal(found, expected)


def test_a_network_that_detects_nothing_has_no_rows():
    rows = rows_of(exact_images(1, 2), ["a", "b"], ["b", "a"])
    assert len(ablate_groups(exact_network(1), [], rows, [], batch=2)) == 0
