from fractions import Fraction

import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from shapebias.dissection import top_k
from shapebias.dissection.concept_labels import ConceptBatch
from shapebias.dissection.detectors import detectors, detectors_by_vote
from shapebias.dissection.dissect import dissect
from shapebias.dissection.thresholds import allowed_above, threshold_bytes
from shapebias.dissection.top_k import StreamingTopK
from shapebias.errors import ShapebiasError, UnknownLayer, UnknownName
from shapebias.networks.channel_parts import channels_of_part, parts_of
from shapebias.networks.receptive_fields import receptive_fields
from tests.helpers.planted_networks import colour_units, exact_images, exact_network
from tests.helpers.reference_implementations import (
    overlaps_by_loops,
    threshold_by_sorting,
    upsampled_by_formula,
)

CONCEPTS = [
    (1, "red", "color"),
    (2, "green", "color"),
    (3, "dog", "object"),
    (5, "tail", "part"),
    (6, "street", "scene"),
    (8, "never", "object"),
    (11, "striped", "texture"),
]
# 9 is not a listed concept, and 5 is in a map of another category.
NUMBERS = {"color": [0, 1, 2], "object": [0, 0, 3, 5, 9], "texture": [0, 0, 0, 11]}


def concept_batches(seed, sizes, mask, *, layers=2, shape=(8, 8), without=()):
    """Batches with random maps (an object map has several layers) and whole-image labels.

    The categories `without` have no labels, and every other batch has no map of them.
    """
    generator = torch.Generator().manual_seed(seed)

    def draw(numbers, count):
        index = torch.randint(0, len(numbers), (count, *mask), generator=generator)
        # Every second image has no label of the category.
        is_labelled = torch.randint(0, 2, (count, 1, 1), generator=generator)
        return (torch.tensor(numbers)[index] * is_labelled).to(torch.uint16)

    batches = []
    for number, count in enumerate(sizes):
        maps = {
            category: [draw(numbers, count) for _ in range(layers if category == "object" else 1)]
            for category, numbers in NUMBERS.items()
        }
        for category in without:
            maps[category] = [torch.zeros_like(layer) for layer in maps[category]]
            if number % 2:
                del maps[category]
        draws = torch.randint(0, 3, (count,), generator=generator).tolist()
        labels = [[("scene", 6)] * (draw == 1) + [("texture", 11)] * (draw == 2) for draw in draws]
        images = exact_images(seed + 100 * number, count, max(shape))[:, :, : shape[0], : shape[1]]
        batches.append(ConceptBatch(images, maps, labels, size=mask))
    return batches


def iou_of(intersection, activated, truth):
    union = activated + truth - intersection
    return intersection / union if union else 0.0


@pytest.mark.parametrize(
    ("area", "upsampling"),
    [
        ("labelled_images", "half_pixel_centres"),
        ("labelled_images", "receptive_fields"),
        ("inside_mask", "half_pixel_centres"),
        ("all_images", "half_pixel_centres"),
    ],
)
@given(
    seed=st.integers(0, 10**6),
    sizes=st.lists(st.integers(1, 3), min_size=1, max_size=3),
    mask=st.sampled_from([(8, 8), (4, 4), (5, 7), (11, 9), (16, 16)]),
    quantile=st.sampled_from(["0", "0.005", "0.05", "0.3"]),
    shape=st.sampled_from([(8, 8), (7, 7), (5, 9)]),
    without=st.sampled_from([(), ("color",), ("object", "texture"), tuple(NUMBERS)]),
)
@settings(max_examples=14, deadline=None)
def test_counts_equal_those_of_pixel_sets(
    area, upsampling, seed, sizes, mask, quantile, shape, without
):
    model = exact_network(seed)
    batches = concept_batches(seed, sizes, mask, shape=shape, without=without)
    labels, overlaps = dissect(
        model,
        lambda: batches,
        CONCEPTS,
        quantile=float(quantile),
        area=area,
        upsampling=upsampling,
    )[:2]
    fields = receptive_fields(model, shape) if upsampling == "receptive_fields" else None
    expected = overlaps_by_loops(model, batches, CONCEPTS, Fraction(quantile), area, fields)
    counted = overlaps.set_index(["layer", "channel", "concept"])
    rows = labels.set_index(["layer", "channel"])
    assert list(rows.index) == list(expected)
    for (layer, channel), (threshold, counts) in expected.items():
        row = rows.loc[(layer, channel)]
        ious = {name: iou_of(*count) for name, count in counts.items()}
        assert row["threshold"] == threshold
        assert row["iou"] == pytest.approx(max(ious.values()), abs=1e-7)
        assert ious[row["concept"]] == pytest.approx(row["iou"], abs=1e-7)
        assert row["diversity"] == sum(iou >= 0.01 for iou in ious.values())
        for name, count in counts.items():
            overlap = counted.loc[(layer, channel, name)]
            assert (overlap["intersection"], overlap["activated"], overlap["truth"]) == count
            assert overlap["iou"] == pytest.approx(ious[name], abs=1e-7)
            assert (overlap["iou"] > 0) == (overlap["intersection"] > 0)
    # Each pair has one row, also if they share no pixel.
    assert len(overlaps) == len(expected) * len(CONCEPTS)


@given(
    values=st.lists(st.integers(-3, 3), min_size=1, max_size=60),
    width=st.integers(1, 9),
    quantile=st.sampled_from(["0", "0.005", "0.1", "0.25", "0.29", "0.99"]),
)
def test_thresholds_equal_sorting(values, width, quantile):
    number = allowed_above(float(quantile), len(values)) + 1
    threshold, ranked = StreamingTopK([number]), StreamingTopK(range(1, number + 1))
    for part in torch.tensor([values, values[::-1]]).float().split(width, dim=1):
        threshold.add(part)
        ranked.add(part)
    expected = threshold_by_sorting(values, Fraction(quantile))
    assert threshold.result().tolist() == [[expected, expected]]
    assert ranked.result()[:, 0].tolist() == sorted(values, reverse=True)[:number]
    assert sum(value > expected for value in values) <= Fraction(quantile) * len(values)


@pytest.mark.parametrize("chunk", [1, 300, 2**20])
@pytest.mark.parametrize("ranks", [[1, 130], [130]])
def test_top_k_does_not_depend_on_the_chunks(chunk, ranks, monkeypatch):
    monkeypatch.setattr(top_k, "CHUNK", chunk)
    values = torch.randn(7, 4000, generator=torch.Generator().manual_seed(0))
    # An increasing row, so that all values enter; a constant row; and a row with a NaN.
    values[0], values[1], values[2, 3] = torch.arange(4000), 0, torch.nan
    statistic = StreamingTopK(ranks)
    for part in values.split(64, dim=1):
        statistic.add(part)
    expected = values.sort(dim=1, descending=True).values[:, [rank - 1 for rank in ranks]].T
    expected[:, 2] = torch.nan
    assert torch.equal(statistic.result().nan_to_num(-9), expected.nan_to_num(-9))


def test_threshold_bytes_are_those_of_the_stored_values():
    model = exact_network(0)
    channels = {layer: [0, 1] for layer in model.layers}
    settings = {"n_images": 100, "quantiles": [0.1, 0.02], "channels": channels}
    areas = [maps.shape[2:].numel() for _, maps in model.walk(torch.zeros(1, 3, 8, 8))]
    stored = sum(2 * (10 * area + 1) for area in areas)
    assert stored * 4 <= threshold_bytes(model, (8, 8), **settings) <= stored * 4 * 1.1


def test_allowed_above_is_exact_for_decimals():
    assert allowed_above(0.29, 100) == 29
    assert allowed_above(0.005, 200) == 1
    assert allowed_above(0.005, 199) == 0


@pytest.mark.parametrize("size", [(8, 8), (4, 6), (5, 7), (3, 3), (1, 1)])
def test_upsampling_has_half_pixel_centres(size):
    values = torch.arange(12.0).reshape(3, 4).sin()
    large = functional.interpolate(values[None, None], size, mode="bilinear", align_corners=False)
    expected = upsampled_by_formula(values.tolist(), size)
    assert torch.allclose(large[0, 0], torch.tensor(expected), atol=1e-6)


def coloured_images():
    """Two images of patches of pure red, green and blue, with exact labels."""
    colours = torch.zeros(2, 8, 8, dtype=torch.long)
    colours[0, :2, :4], colours[0, 5:, 5:], colours[1, 3, :] = 1, 2, 1
    colours[1, 6:, 6:] = 3
    images = functional.one_hot(colours, 4).permute(0, 3, 1, 2)[:, 1:].float()
    concepts = [(1, "red", "color"), (2, "green", "color"), (3, "blue", "color")]
    return images, colours, concepts


def test_a_unit_that_responds_to_red_is_labelled_red():
    images, colours, concepts = coloured_images()
    batch = ConceptBatch(images, {"color": [colours]}, [[], []])
    labels, overlaps = dissect(colour_units(), lambda: [batch], concepts, quantile=0.2)[:2]
    assert labels.columns.tolist() == [
        "layer", "channel", "concept", "category", "iou", "threshold", "diversity",
    ]  # fmt: skip
    assert labels["concept"].tolist()[:2] == ["red", "green"]
    assert labels["iou"].tolist() == [1.0, 1.0, 0.0]
    assert labels["threshold"].tolist() == [0.0, 0.0, 0.0]
    assert labels["diversity"].tolist() == [1, 1, 0]
    shared = overlaps.pivot(index="channel", columns="concept", values="intersection")
    assert shared[["red", "green", "blue"]].to_numpy().tolist() == [[16, 0, 0], [0, 9, 0], [0] * 3]
    truth = overlaps.groupby("concept")["truth"].unique()
    assert [list(truth[name]) for name in ("red", "green", "blue")] == [[16], [9], [4]]


def test_a_plateau_at_the_threshold_is_not_in_the_mask():
    images, colours, concepts = coloured_images()
    batch = ConceptBatch(images, {"color": [colours]}, [[], []])
    # 16 of 128 positions are red: with a lower quantile T is their activation.
    labels, overlaps = dissect(colour_units(), lambda: [batch], concepts, quantile=0.1)[:2]
    assert labels["threshold"].tolist() == [1.0, 0.0, 0.0]
    assert set(overlaps["concept"][overlaps["iou"] > 0]) == {"green"}


def test_of_concepts_with_equal_iou_the_first_by_category_and_number_is_the_label():
    images, colours, _ = coloured_images()
    maps = {"color": [colours], "part": [(colours == 1) * 7, (colours == 1) * 6]}
    concepts = [(1, "red", "color"), (6, "b", "part"), (7, "a", "part"), (9, "x", "own")]
    batch = ConceptBatch(images, maps, [[], []])
    labels = dissect(colour_units(), lambda: [batch], concepts, quantile=0.2).labels
    assert labels.loc[0, ["concept", "category"]].tolist() == ["b", "part"]
    assert labels.loc[2, "iou"] == 0.0


def test_a_pixel_with_a_concept_in_two_maps_counts_once():
    images, colours, concepts = coloured_images()
    once = ConceptBatch(images, {"color": [colours]}, [[], []])
    twice = ConceptBatch(images, {"color": [colours, colours]}, [[], []])
    expected, result = (
        dissect(colour_units(), lambda b=b: [b], concepts, quantile=0.2) for b in (once, twice)
    )
    for expected_frame, frame in zip(expected, result, strict=True):
        pd.testing.assert_frame_equal(frame, expected_frame)


def test_a_label_of_a_whole_image_counts_all_pixels():
    images, _, _ = coloured_images()
    batch = ConceptBatch(images, {}, [[("scene", 4)], []], size=(16, 16))
    concepts = [(4, "street", "scene")]
    overlaps = dissect(colour_units(), lambda: [batch], concepts, quantile=0.2).overlaps
    assert overlaps["truth"].unique().tolist() == [256]
    assert (overlaps["intersection"] == overlaps["activated"]).all()
    assert overlaps["intersection"].gt(0).tolist() == [True, True, False]


def test_a_sweep_has_the_labels_of_every_quantile():
    model, batches = exact_network(7), concept_batches(7, [2, 3], (11, 9))
    swept = dissect(model, lambda: batches, CONCEPTS, quantile=0.05, sweep=[0.2, 0.01, 0.05])
    separate = [
        dissect(model, lambda: batches, CONCEPTS, quantile=q).labels.assign(quantile=q)
        for q in (0.05, 0.2, 0.01)
    ]
    pd.testing.assert_frame_equal(swept.labels, separate[0].drop(columns="quantile"))
    keys = ["quantile", "layer", "channel"]
    expected = pd.concat(separate).set_index(keys).sort_index()
    pd.testing.assert_frame_equal(swept.sweep.set_index(keys).sort_index(), expected)
    assert expected["iou"].groupby("quantile").sum().nunique() == 3


def test_results_do_not_depend_on_the_batches():
    batch = concept_batches(3, [6], (11, 9))[0]
    single = [
        ConceptBatch(
            batch.images[i : i + 1],
            {name: [layer[i : i + 1] for layer in layers] for name, layers in batch.maps.items()},
            batch.labels[i : i + 1],
        )
        for i in range(6)
    ]
    model = exact_network(3)
    expected, result = (
        dissect(model, lambda b=b: b, CONCEPTS, n_images=6) for b in ([batch], single)
    )
    for expected_frame, frame in zip(expected, result, strict=True):
        pd.testing.assert_frame_equal(frame, expected_frame)


def test_parts_joined_equal_a_dissection_of_all_channels():
    model, batches = exact_network(5), concept_batches(5, [2, 3], (8, 8))
    whole = dissect(model, lambda: batches, CONCEPTS)
    parts = [
        dissect(model, lambda: batches, CONCEPTS, channels=share)
        for share in shares(model, parts=2, layer_groups=2)
    ]
    for frames, expected in zip(zip(*parts, strict=True), whole, strict=True):
        # Names are categoricals in overlaps, and each part has its own categories.
        names = dict.fromkeys({"layer", "concept"} & {*expected}, str)
        joined = pd.concat(frames, ignore_index=True).astype(names)
        pd.testing.assert_frame_equal(joined, expected.astype(names))


def shares(model, **settings):
    """Channels of every part of a measurement with these settings."""
    settings = {"parts": 1, "layer_groups": 1, **settings}
    number = settings["parts"] * settings["layer_groups"]
    return [channels_of_part(model, part, settings) for part in range(number)]


def test_layer_groups_are_divided_into_parts():
    model = exact_network(5)
    assert shares(model, layer_groups=2) == [{"conv1": range(4)}, {"conv2": range(6)}]
    assert shares(model, layer_groups=2, parts=2)[1:3] == [
        {"conv1": range(2, 4)},
        {"conv2": range(3)},
    ]
    # With fewer layers than groups, some groups are empty.
    assert shares(model, layer_groups=3) == [{}, {"conv1": range(4)}, {"conv2": range(6)}]
    assert shares(model, layers=["conv2"]) == [{"conv2": range(6)}]
    with pytest.raises(ShapebiasError, match="no part 4 of 4"):
        channels_of_part(model, 4, {"parts": 2, "layer_groups": 2})
    with pytest.raises(UnknownLayer, match="conv9"):
        shares(model, layers=["conv9"])


def test_a_dissection_of_no_channels_has_empty_tables():
    result = dissect(
        exact_network(0), lambda: concept_batches(0, [1], (8, 8)), CONCEPTS, channels={}
    )
    assert all(len(table) == 0 for table in result)
    assert "iou" in result.labels
    assert "truth" in result.overlaps
    assert "image_id" in result.top_images


def test_progress_and_modes():
    model, counts = exact_network(1).train(), []
    batches = concept_batches(1, [2, 1], (8, 8))
    dissect(model, lambda: batches, CONCEPTS, progress=counts.append)
    assert counts == [2, 1, 2, 1]
    assert all(module.training for module in model.modules())


def test_errors_name_the_problem():
    model, batches = exact_network(0), concept_batches(0, [2], (8, 8))
    with pytest.raises(UnknownName, match="inside_masks"):
        dissect(model, lambda: batches, CONCEPTS, area="inside_masks")
    with pytest.raises(UnknownName, match="half_pixel_centre"):
        dissect(model, lambda: batches, CONCEPTS, upsampling="half_pixel")
    with pytest.raises(UnknownLayer, match="conv9"):
        dissect(model, lambda: batches, CONCEPTS, channels={"conv9": [0]})
    with pytest.raises(ShapebiasError, match="has no channel 4"):
        dissect(model, lambda: batches, CONCEPTS, channels={"conv1": [4]})
    with pytest.raises(ShapebiasError, match="quantile"):
        dissect(model, lambda: batches, CONCEPTS, quantile=1.5)
    with pytest.raises(ShapebiasError, match="expected 3 images, got 2"):
        dissect(model, lambda: batches, CONCEPTS, n_images=3)
    with pytest.raises(ShapebiasError, match="two concepts have the name 'red'"):
        dissect(model, lambda: batches, [(1, "red", "color"), (2, "red", "object")])
    with pytest.raises(ShapebiasError, match="'red' has the number 0: numbers begin at 1"):
        dissect(model, lambda: batches, [(0, "red", "color")])
    with pytest.raises(ShapebiasError, match="expected at least 1 images, got 0"):
        dissect(model, list, CONCEPTS)
    batches[0].images[1, 0, 7, 7] = float("nan")
    for sweep in ([], [0.3]):
        with pytest.raises(ShapebiasError, match="conv1, channel 0 are NaN"):
            dissect(model, lambda: batches, CONCEPTS, quantile=0.1, sweep=sweep)
    batches = concept_batches(0, [2], (8, 8))
    model.network[0].weight.data[2] = float("nan")
    with pytest.raises(ShapebiasError, match="conv1, channel 2 are NaN"):
        dissect(model, lambda: batches, CONCEPTS)


def test_detectors_are_counted_by_label_and_cut():
    rows = [
        ("conv1", 0, "red", "color", 0.5),
        ("conv1", 1, "red", "color", 0.02),
        ("conv1", 2, "dog", "object", 0.0),
        ("conv2", 0, "green", "color", 0.04),
    ]
    frame = pd.DataFrame(rows, columns=["layer", "channel", "concept", "category", "iou"])
    counts = detectors(frame, ["scene", "color", "object"])
    assert len(counts) == 3 * 3 * 3
    counts = counts.set_index(["layer", "category", "iou_cut"]).sort_index()
    assert counts.loc[("conv1", "color")].values.tolist() == [[2, 1], [2, 1], [1, 1]]
    assert counts.loc[("all", "color")].values.tolist() == [[3, 2], [3, 2], [2, 2]]
    # A channel of IoU 0 is not a detector, even at the cut 0.
    assert counts.loc["all"].loc[["object", "scene"], "n_channels"].sum() == 0


def test_detectors_by_vote_count_a_channel_once_per_category():
    rows = [
        ("conv1", 0, "red", 0.1),
        ("conv1", 0, "green", 0.3),
        ("conv1", 0, "dog", 0.05),
        ("conv1", 1, "dog", 0.03),
    ]
    overlaps = pd.DataFrame(rows, columns=["layer", "channel", "concept", "iou"])
    counts = detectors_by_vote(overlaps, CONCEPTS, ["object", "color"])
    counts = counts.set_index(["layer", "category", "iou_cut"]).sort_index()["n_channels"]
    assert counts.loc[("all", "object")].tolist() == [2, 2, 1]
    assert counts.loc[("all", "color")].tolist() == [1, 1, 1]


@given(
    counts=st.lists(st.integers(1, 9), min_size=1, max_size=4),
    parts=st.integers(1, 12),
)
def test_parts_are_contiguous_and_balanced(counts, parts):
    channels = {f"layer{number}": count for number, count in enumerate(counts)}
    shares = [
        [(layer, i) for layer, numbers in parts_of(channels, part, parts).items() for i in numbers]
        for part in range(parts)
    ]
    expected = [(layer, i) for layer, count in channels.items() for i in range(count)]
    assert [channel for share in shares for channel in share] == expected
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


def test_a_part_beyond_the_last_is_an_error():
    with pytest.raises(ShapebiasError, match="count from 0"):
        parts_of({"conv1": 3}, 2, 2)
