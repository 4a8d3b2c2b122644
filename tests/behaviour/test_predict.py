import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from shapebias.behaviour.predict import predict
from shapebias.errors import ShapebiasError, UnknownName
from shapebias.networks.decisions import EntryLevel
from shapebias.runtime.batches import batch_size_for, batches
from tests.helpers.planted_networks import exact_images, exact_network

CLASSES = tuple("bacdefg")
ENTRY = {"a": "pet", "g": "pet", "c": "car", "f": "bird"}


def batches_of(images, labels, size):
    ids = [f"image{i}" for i in range(len(images))]
    return [
        (ids[i : i + size], images[i : i + size], labels[i : i + size])
        for i in range(0, len(images), size)
    ]


@given(seed=st.integers(0, 10**6), number=st.integers(1, 7), size=st.integers(1, 4))
@settings(max_examples=20, deadline=None)
def test_probabilities_equal_the_softmax(seed, number, size):
    model, images = exact_network(seed, classes=CLASSES).train(), exact_images(seed, number)
    labels = [("a", None, "pet")[i % 3] for i in range(number)]
    frame = predict(model, batches_of(images, labels, size), entry_level=ENTRY)
    assert all(module.training for module in model.modules())
    with torch.no_grad():
        probabilities = model.eval()(images).softmax(1).tolist()
    assert frame["image_id"].tolist() == [f"image{i}" for i in range(number)]
    assert frame["label"].tolist() == labels
    assert frame.attrs["entry_classes"] == ["bird", "car", "pet"]
    for row, values in zip(frame.itertuples(), probabilities, strict=True):
        by_class = dict(zip(CLASSES, values, strict=True))
        assert row.top5_probability == pytest.approx(sorted(values, reverse=True)[:5])
        assert [by_class[name] for name in row.top5] == pytest.approx(row.top5_probability)
        assert len(set(row.top5)) == 5
        entries = [by_class["f"], by_class["c"], (by_class["a"] + by_class["g"]) / 2]
        assert row.entry_probabilities == pytest.approx(entries)
        if row.label == "a":
            assert row.label_probability == pytest.approx(by_class["a"])
        else:
            assert math.isnan(row.label_probability)


def test_fewer_than_five_classes_and_no_entry_level():
    frame = predict(exact_network(0), batches_of(exact_images(0, 2), [None, None], 2))
    assert frame.columns.tolist() == [
        "image_id", "label", "top5", "top5_probability", "label_probability",
    ]  # fmt: skip
    assert [sorted(names) for names in frame["top5"]] == [list("abcd")] * 2
    assert len(predict(exact_network(0), [])) == 0


def test_ties_keep_the_order_of_the_classes():
    model = exact_network(0, classes=CLASSES)
    model.network[-1].weight.data.zero_()
    model.network[-1].bias.data = torch.tensor([0.0, 0, 1, 0, 0, 0, 1])
    frame = predict(model, batches_of(exact_images(0, 1), [None], 1))
    assert frame["top5"][0] == ["c", "g", "b", "a", "d"]


def test_classes_are_sorted_by_score_where_probabilities_round_to_a_tie():
    model = exact_network(0, classes="abc")
    model.network[-1].weight.data.zero_()
    model.network[-1].bias.data = torch.tensor([300.0, 0.0, 1.0])
    frame = predict(model, batches_of(exact_images(0, 1), [None], 1))
    assert frame["top5"][0] == ["a", "c", "b"]


def test_decisions_break_ties_by_order():
    scores = torch.tensor([[0.0, 2.0, 2.0], [1.0, 1.0, 1.0]])
    assert EntryLevel("abc").decide(scores).tolist() == [1, 0]
    level = EntryLevel("abc", {"a": "z", "b": "y", "c": "x"})
    assert level.classes == ["x", "y", "z"]
    assert level.decide(scores).tolist() == [0, 0]


def test_unknown_classes_and_scores_that_are_not_finite_are_rejected():
    model, batches = exact_network(0), batches_of(exact_images(0, 2), [None] * 2, 2)
    with pytest.raises(UnknownName, match="cat"):
        predict(model, batches, entry_level={"a": "pet", "cat": "pet"})
    model.network[-1].bias.data[0] = float("nan")
    with pytest.raises(ShapebiasError, match="'image0' are not finite"):
        predict(model, batches)


@pytest.mark.parametrize("error", [AssertionError, RuntimeError, ValueError])
def test_images_of_a_size_that_the_network_rejects(error):
    def refuse(*_):
        raise error("Input height (5) doesn't match")

    model, batches = exact_network(0), batches_of(torch.rand(2, 3, 5, 5), [None] * 2, 2)
    model.network[0].register_forward_pre_hook(refuse)
    with pytest.raises(ShapebiasError, match=r"cannot take images of 5×5: give .* `resize`"):
        predict(model, batches)


@pytest.mark.parametrize(("shape", "size"), [((224, 224), 20), ((64, 64), 128), ((2000, 2000), 1)])
def test_batches_hold_the_pixels_that_fit_into_caches(shape, size):
    row = {"image_id": "a", "label": None, "pixels": np.zeros((*shape, 3), np.uint8)}
    assert batch_size_for(shape) == size
    sizes = [len(ids) for ids, _, _ in batches([row] * (size + 1), size=size)]
    assert sizes == [size, 1]
    assert list(batches([], size=size)) == []


def test_a_label_that_is_not_a_class_is_rejected():
    model = exact_network(0)
    images = exact_images(0, 2)
    with pytest.raises(ShapebiasError, match="'b' has the label 'nothing', which is not a class"):
        predict(model, [(["a", "b"], images, [model.classes[0], "nothing"])])
