import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from shapebias.concept_ablation import MODES, Group, ablate_groups, groups_of
from shapebias.decisions import decide, entry_weights
from shapebias.hooking import HookedClassifier
from shapebias.judging import probabilities
from tests.planted import exact_images, exact_network, one_channel_reader

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
    assert named(groups_of(LABELS, iou_cut=0.04, each_layer=False)) == [
        ("all", "object", "all", {"conv2": [1]}),
        ("all", "object", "cat", {"conv2": [1]}),
        ("all", "color", "all", {"conv1": [0, 1], "conv2": [3]}),
        ("all", "color", "blue", {"conv1": [1]}),
        ("all", "color", "red", {"conv1": [0], "conv2": [3]}),
    ]
    # What meets no concept has no label, whatever the cut.
    assert named(groups_of(LABELS, iou_cut=0.0, each_layer=True))[:3] == [
        ("all", "object", "all", {"conv1": [2], "conv2": [1]}),
        ("conv1", "object", "all", {"conv1": [2]}),
        ("conv2", "object", "all", {"conv2": [1]}),
    ]
    assert groups_of(LABELS, iou_cut=0.9, each_layer=True) == []


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
    groups = groups_of(LABELS, iou_cut=0.0, each_layer=True)
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
    groups = groups_of(labels, iou_cut=0.04, each_layer=False)
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
    groups = groups_of(LABELS, iou_cut=0.04, each_layer=False)[:1]
    found = ablate_groups(model, groups, rows, [(None, clean, decided)], entry_level=ENTRY, batch=4)
    assert (found["accuracy_before"] == 1).all()


def test_a_network_that_cannot_be_cut_gives_the_same():
    model = exact_network(8)
    hooked = HookedClassifier(
        model.network, layers={"conv1": "1", "conv2": "3"}, classes=model.classes,
        mean=[0.0] * 3, std=[1.0] * 3, input_size=8,
    )  # fmt: skip
    rows = rows_of(exact_images(8, 8), list("abcdabcd"), list("bcdabcda"))
    clean = [(None, exact_images(9, 6), list("abcdab"))]
    groups = groups_of(LABELS, iou_cut=0.0, each_layer=False)
    found, expected = (ablate_groups(m, groups, rows, clean, batch=5) for m in (hooked, model))
    pd.testing.assert_frame_equal(found, expected)


def test_a_network_that_detects_nothing_has_no_rows():
    rows = rows_of(exact_images(1, 2), ["a", "b"], ["b", "a"])
    assert len(ablate_groups(exact_network(1), [], rows, [], batch=2)) == 0
