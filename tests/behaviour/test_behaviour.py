import itertools
import math

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

from shapebias.behaviour.accuracy import accuracy, accuracy_table, correctly_labelled
from shapebias.behaviour.predict import predict
from shapebias.behaviour.shape_bias import (
    entry_decisions,
    paired_difference,
    shape_bias,
    shape_outcomes,
)
from shapebias.errors import ShapebiasError
from shapebias.intervals import wilson
from tests.helpers.planted_networks import cue_image, shape_only, texture_only

NAMES = ("disc", "square")


def biased(model):
    """Shape bias of a planted network on every pair of cues, each three times."""
    cues = list(itertools.product((0, 1), repeat=2)) * 3
    ids = [f"image{i}" for i in range(len(cues))]
    images = torch.stack([cue_image(*pair) for pair in cues])
    shapes, textures = ([NAMES[pair[k]] for pair in cues] for k in (0, 1))
    predictions = predict(model, [(ids, images, shapes)])
    frame = pd.DataFrame({"image_id": ids, "shape": shapes, "texture": textures})
    frame["decision"] = entry_decisions(predictions, None).to_numpy()
    return frame, shape_bias(frame)


@pytest.mark.parametrize("planted, expected", [(shape_only, 1.0), (texture_only, 0.0)])
def test_planted_networks_have_shape_bias_one_and_zero(planted, expected):
    _, table = biased(planted(NAMES))
    assert table["class"].tolist() == ["all", "disc", "square"]
    assert table["shape_bias"].tolist() == [expected] * 3
    assert (table["n_shape"] + table["n_texture"]).tolist() == [6, 3, 3]
    assert table["n_neither"].tolist() == [0, 0, 0]


def test_shape_bias_counts():
    rows = [("cat", "dog", "cat"), ("cat", "dog", "dog"), ("cat", "car", "cat")]
    rows += [("dog", "cat", "car"), ("dog", "dog", "dog")]
    frame = pd.DataFrame(rows, columns=["shape", "texture", "decision"])
    frame["image_id"] = list("abcde")
    table = shape_bias(frame).set_index("class")
    assert table.index.tolist() == ["all", "cat", "dog"]
    assert table.loc["all", ["n_shape", "n_texture", "n_neither"]].tolist() == [2, 1, 1]
    assert table.loc["all", "shape_bias"] == pytest.approx(2 / 3)
    assert table.loc["all", ["low", "high"]].tolist() == pytest.approx(wilson(2, 3))
    assert table.loc["dog", ["n_shape", "n_texture", "n_neither"]].tolist() == [0, 0, 1]
    assert table.loc["dog", ["shape_bias", "low", "high"]].isna().all()
    assert shape_outcomes(frame).to_dict() == pytest.approx(
        {"a": 1.0, "b": 0.0, "c": 1.0, "d": math.nan}, nan_ok=True
    )
    assert shape_bias(frame.iloc[:0])["n_shape"].tolist() == [0]


def predictions_of(rows):
    """Frame of (image_id, label, top5)."""
    return pd.DataFrame(rows, columns=["image_id", "label", "top5"])


def test_accuracy_over_a_selection():
    frame = predictions_of(
        [
            ("i", "a", ["a", "b"]),
            ("j", "a", ["b", "a"]),
            ("k", "a", ["c", "b"]),
            ("l", None, ["a", "b"]),
            ("m", "b", ["b", "a"]),
        ]
    )
    all_images = accuracy(frame, None)
    low, high = wilson(2, 4)
    assert all_images == {"n": 4, "top1": 0.5, "top5": 0.75, "top1_low": low, "top1_high": high}
    selected = accuracy(frame, {"i", "j", "l", "elsewhere"})
    assert (selected["n"], selected["top1"], selected["top5"]) == (2, 0.5, 1.0)
    empty = accuracy(frame, set())
    assert empty["n"] == 0
    assert all(math.isnan(empty[name]) for name in ("top1", "top5", "top1_low", "top1_high"))
    entry = accuracy(frame, None, entry_level={"a": "pet", "b": "pet"})
    assert (entry["top1"], entry["top5"]) == (0.75, 1.0)


def test_correctly_labelled_by_both():
    s = predictions_of([("i", "a", ["a"]), ("j", "a", ["a"]), ("k", "b", ["b"])])
    r = predictions_of([("k", "b", ["b"]), ("j", "a", ["b"]), ("i", "a", ["a"])])
    assert correctly_labelled(s, r) == ["i", "k"]
    with pytest.raises(ShapebiasError, match="1 are in only one of the two, such as 'k'"):
        correctly_labelled(s, r.iloc[1:])
    with pytest.raises(ShapebiasError, match="twice"):
        correctly_labelled(s, r.iloc[[0, 0, 1, 2]])


def test_ties_between_entry_level_classes_go_to_the_first_in_the_alphabet():
    frame = pd.DataFrame(
        {"top5": [["u"], ["v"]], "entry_probabilities": [[0.4, 0.2, 0.4], [0.1, 0.2, 0.0]]},
        index=[7, 9],
    )
    decisions = entry_decisions(frame, ["dog", "cat", "bird"])
    assert decisions.to_dict() == {7: "bird", 9: "cat"}
    assert entry_decisions(frame, None).to_dict() == {7: "u", 9: "v"}
    with pytest.raises(ShapebiasError, match="no entry-level"):
        entry_decisions(frame[["top5"]], ["dog"])
    assert len(entry_decisions(frame.iloc[:0], ["dog", "cat"])) == 0


@given(trials=st.integers(1, 2000), data=st.data())
def test_wilson_equals_scipy(trials, data):
    successes = data.draw(st.integers(0, trials))
    expected = binomtest(successes, trials).proportion_ci(0.95, method="wilson")
    assert wilson(successes, trials) == pytest.approx(tuple(expected), abs=1e-12)


def test_wilson_without_trials_is_nan():
    assert all(map(math.isnan, wilson(0, 0)))


def test_a_paired_difference_equals_resampling_images():
    generator = np.random.default_rng(0)
    a = generator.choice([0.0, 1.0, np.nan], 120, p=[0.3, 0.5, 0.2])
    b = np.where(generator.random(120) < 0.7, a, generator.choice([0.0, 1.0], 120))
    difference = paired_difference(a, b, seed=1, resamples=20_000)
    drawn = generator.integers(0, 120, (20_000, 120))
    differences = np.nanmean(a[drawn], axis=1) - np.nanmean(b[drawn], axis=1)
    assert difference[0] == pytest.approx(np.nanmean(a) - np.nanmean(b))
    assert difference[1:] == pytest.approx(np.quantile(differences, [0.025, 0.975]), abs=0.01)
    assert difference == paired_difference(a, b, seed=1, resamples=20_000)
    assert difference != paired_difference(a, b, seed=2, resamples=20_000)


def test_a_paired_difference_of_planted_networks():
    outcomes = [shape_outcomes(biased(network(NAMES))[0]) for network in (shape_only, texture_only)]
    assert paired_difference(*outcomes, seed=0, resamples=100) == (1.0, 1.0, 1.0)
    assert paired_difference(outcomes[0], outcomes[0][::-1], seed=0, resamples=100) == (0, 0, 0)


def test_a_paired_difference_needs_the_same_images():
    a = pd.Series([1.0, 0.0], index=["i", "j"])
    with pytest.raises(ShapebiasError, match="different images"):
        paired_difference(a, a.rename({"j": "k"}), seed=0, resamples=10)
    with pytest.raises(ShapebiasError, match="of 2 and 1 images"):
        paired_difference(a.to_numpy(), a.to_numpy()[:1], seed=0, resamples=10)
    with pytest.raises(ShapebiasError, match="0, 1 or NaN"):
        paired_difference(np.array([0.5]), np.array([1.0]), seed=0, resamples=10)
    without_outcome = np.array([math.nan])
    difference = paired_difference(without_outcome, np.array([1.0]), seed=0, resamples=10)
    assert all(map(math.isnan, difference))


@given(st.integers(0, 10**6))
@settings(max_examples=20)
def test_counts_add_up(seed):
    generator = np.random.default_rng(seed)
    shape, texture, decision = generator.choice(list("abc"), (3, 30)).tolist()
    frame = pd.DataFrame({"shape": shape, "texture": texture, "decision": decision})
    frame["image_id"] = [str(i) for i in range(30)]
    table = shape_bias(frame).set_index("class")[["n_shape", "n_texture", "n_neither"]]
    assert table.loc["all"].sum() == (frame["shape"] != frame["texture"]).sum()
    assert (table.drop(index="all").sum() == table.loc["all"]).all()


def test_entry_level_sets_are_scored_by_entry_level_class():
    predictions = pd.DataFrame(
        {"image_id": ["a", "b"], "label": ["tabby", "tench"], "top5": [["siamese"], ["tabby"]]}
    )
    scored = [(("net", "photos"), predictions), (("net", "silhouettes"), predictions)]
    table = accuracy_table(
        scored,
        {},
        {},
        entry_level={"tabby": "cat", "siamese": "cat"},
        entry_level_sets=["silhouettes"],
    )
    assert table.set_index("image_set")["top1"].to_dict() == {"photos": 0, "silhouettes": 0.5}


def test_entry_level_labels_are_not_scored_as_fine_classes():
    predictions = pd.DataFrame({"image_id": ["a"], "label": ["cat"], "top5": [["tabby"]]})
    with pytest.raises(ShapebiasError, match=r"photos: label 'cat' is an entry-level class"):
        accuracy_table([(("net", "photos"), predictions)], {}, {}, entry_level={"tabby": "cat"})
