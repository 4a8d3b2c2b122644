"""Findings on planted tables, and their sentences."""

import re
from html import unescape

import numpy as np
import pandas as pd
import pytest

from shapebias.behaviour.differences import accuracy_differences, shape_bias_differences
from shapebias.dissection.detectors import DETECTOR_IOU
from shapebias.intervals import mean_margin, wilson
from shapebias.io.table_schemas import TABLES
from shapebias.io.tables import arrow_table
from shapebias.report.findings.all_questions import (
    PUBLISHED,
    QUESTIONS,
    findings,
    read_rows,
    summaries,
)
from shapebias.report.findings.answers import (
    Measurements,
    combined_verdict,
    difference_of_means,
    difference_of_proportions,
)
from shapebias.report.pages.report import render_report

PAIRS = {"a": {"standard": "a", "robust": "a_r"}, "b": {"standard": "b", "robust": "b_r"}}
KINDS = {"shuffled": "scramble", "pgd": "attack", "odd": "saturate"}


def frame(table, rows):
    return pd.DataFrame(rows, columns=[column.name for column in TABLES[table].columns])


def reader(right):
    """Predictions on 1,000 images of class x, right for these of them, else class y."""

    def read(model, _):
        ids = [str(i) for i in range(1000)]
        classes = [["x"] if i in right[model] else ["y"] for i in range(1000)]
        predictions = pd.DataFrame({"image_id": ids, "label": "x", "top5": classes})
        predictions.attrs["entry_classes"] = None
        return predictions

    return read


def measured_pairs(models):
    return {pair: sides for pair, sides in PAIRS.items() if models.keys() >= set(sides.values())}


def biases(**n_shape):
    """Tables of shape bias from the number of shape decisions in 1,000 of each network."""
    rows = []
    for model, n in n_shape.items():
        rows.append((model, "conflict", "all", n, 1000 - n, 100, n / 1000, *wilson(n, 1000)))
    ids = [str(i) for i in range(1000)]
    cues = {"conflict": pd.DataFrame({"image_id": ids, "shape": "x", "texture": "y"})}
    read = reader({model: range(n) for model, n in n_shape.items()})
    differences = shape_bias_differences(read, cues, measured_pairs(n_shape), seed=0)
    return {
        "shape_bias": frame("shape_bias", rows),
        "differences": frame("differences", [tuple(row.values()) for row in differences]),
    }


def accuracies(image_set, selection=(), **right):
    """Tables of accuracy from the images, among 1,000, that each network labels correctly.

    Pairs are compared on all images, and on a selection if it has some.
    """
    right = {m: range(images) if isinstance(images, int) else images for m, images in right.items()}
    rows = []
    for model, images in right.items():
        n = len(images)
        rows.append((model, image_set, "all", 1000, n / 1000, n / 1000, *wilson(n, 1000)))
    pairs = measured_pairs(right)
    selections = {pair: set(map(str, selection)) for pair in pairs}
    differences = [
        tuple(row.values())
        for row in accuracy_differences(reader(right), [image_set], pairs, selections, seed=0)
        if selection or row["selection"] == "all"
    ]
    return {
        "accuracy": frame("accuracy", rows),
        "differences": frame("differences", differences),
    }


def table_of(tables):
    """Table `findings` as it is written and read."""
    table = findings(Measurements(tables, PAIRS, "clean", ("clean", "noisy"), KINDS))
    return arrow_table(table, "findings").to_pandas()


def answer_to(key, tables):
    """Finding on a question, and its sentences in the report."""
    table = table_of(tables)
    table = table[table["question"] == key]
    (finding,) = summaries(table)
    html = render_report(
        study={"name": "x"}, descriptions={}, tables={"findings": table}, figures=[]
    )
    sentences = re.findall("<li>(.*?)</li>", html, re.DOTALL)
    return finding, [unescape(" ".join(sentence.split())) for sentence in sentences]


def verdict(key, tables):
    return answer_to(key, tables)[0].verdict


@pytest.mark.parametrize(
    ("n_shape", "expected"),
    [
        ({"a": 200, "a_r": 700, "b": 300, "b_r": 600}, "yes"),
        ({"a": 700, "a_r": 200, "b": 600, "b_r": 300}, "no"),
        ({"a": 200, "a_r": 700, "b": 600, "b_r": 300}, "mixed"),
        ({"a": 500, "a_r": 500, "b": 500, "b_r": 500}, "unclear"),
        ({"a": 200, "lonely": 300}, "no pair"),
        ({}, "not measured"),
    ],
)
def test_shape_bias_is_answered_as_planted(n_shape, expected):
    # Half of a pair is in no pair of this study.
    tables = biases(**n_shape)
    if expected == "no pair":
        tables["shape_bias"] = tables["shape_bias"].query("model != 'a'")
    finding, _ = answer_to("shape_bias", tables)
    assert finding.verdict == expected
    assert [row["robust"] for row in finding.published] == ["65.32", "65.56", "70.36"]


def test_networks_that_agree_on_most_images_differ_clearly():
    """Ten images more of 1,000 are no difference between independent samples."""
    tables = biases(a=500, a_r=510)
    assert verdict("shape_bias", tables) == "yes"
    shares = tables["shape_bias"].set_index("model")
    unpaired = [
        (row.shape_bias, (row.low, row.high)) for row in shares.loc[["a_r", "a"]].itertuples()
    ]
    assert difference_of_proportions(*unpaired[0], *unpaired[1]).sign == 0


def test_answers_carry_numbers_and_intervals():
    finding, sentences = answer_to("shape_bias", biases(a=200, a_r=700, odd=400))
    (row,), (alone,) = finding.answers
    assert [row["baseline"], row["value"], row["difference"]] == pytest.approx([20, 70, 50])
    assert row["low"] == pytest.approx(46.9, abs=0.3)
    assert row["high"] == pytest.approx(53.1, abs=0.3)
    assert (row["pair"], row["model"], row["n"]) == ("a", None, 1000)
    assert (alone["pair"], alone["model"], alone["difference"]) == (None, "odd", None)
    assert sentences[0].startswith("a: shape bias, conflict 20.0 → 70.0 % (+50.0 points [+4")
    assert sentences[0].endswith("], n = 1,000).")
    assert sentences[1] == "odd (in no pair): shape bias, conflict 40.0 % [37.0 to 43.1]."


def test_a_network_without_decisions_is_not_compared():
    tables = biases(a=200, a_r=700)
    tables["differences"].loc[0, ["robust", "difference", "low", "high"]] = np.nan
    finding, (sentence,) = answer_to("shape_bias", tables)
    assert finding.verdict == "unclear"
    assert "20.0 → undefined" in sentence and "no comparison" in sentence


def test_scrambling_expects_the_robust_network_to_lose_more():
    assert verdict("scrambled", accuracies("shuffled", a=600, a_r=300)) == "yes"
    more = accuracies("shuffled", a=300, a_r=600)
    assert verdict("scrambled", more) == "no"
    assert verdict("attack", more) == "not measured"
    assert answer_to("attack", more)[1] == ["Not measured in this study."]


def test_a_small_difference_in_both_directions_is_unclear():
    # 510 against 500 right, on mostly different images.
    assert verdict("attack", accuracies("pgd", a=range(500), a_r=range(450, 960))) == "unclear"
    assert verdict("attack", accuracies("pgd", a=range(500), a_r=range(450, 945))) == "unclear"


def test_a_pair_is_compared_on_the_images_that_both_label_correctly():
    tables = accuracies("pgd", a=range(600), a_r=range(550, 850), selection=range(500, 1000))
    finding, (sentence,) = answer_to("attack", tables)
    assert finding.verdict == "yes"
    assert "on correctly labelled images, pgd 20.0 → 60.0 % (+40.0 points [" in sentence
    assert sentence.endswith("n = 500).")


def test_the_clean_set_is_compared_on_all_its_images():
    tables = accuracies("clean", a=range(900), a_r=range(500), selection=range(500))
    finding, (sentence,) = answer_to("clean", tables)
    assert finding.verdict == "yes"
    assert "top-1 accuracy, clean 90.0 → 50.0 %" in sentence


def test_image_sets_of_other_kinds_are_described():
    assert verdict("other_images", accuracies("odd", a=600, a_r=300, alone=3)) == "described"
    assert "other_images" not in set(table_of({})["question"])


def test_kernels_and_filters_are_answered_as_planted():
    rows = [(m, layer, 8, tv) for m, tv in (("a", 2.0), ("a_r", 1.0)) for layer in ("c1", "all")]
    rows += [("odd", "all", 8, 3.0)]
    finding, sentences = answer_to("kernels", {"kernel_tv": frame("kernel_tv", rows)})
    assert finding.verdict == "yes"
    assert "kernels 2 → 1 (−50 %); convolutions with smoother kernels 1 of 1." in sentences[0]
    assert sentences[1] == "odd (in no pair): mean total variation of kernels 3."
    rows = [(m, "all", 0, np.nan) for m in ("a", "a_r")]
    assert verdict("kernels", {"kernel_tv": frame("kernel_tv", rows)}) == "not measured"
    rows = [("a", i, i, 0.9, -1.0) for i in range(64)]
    finding, (sentence,) = answer_to(
        "first_layer", {"filter_matches": frame("filter_matches", rows)}
    )
    assert finding.verdict == "no"
    assert "0.0 % (−50.0 points [−50.0 to −44.3], n = 64)" in sentence
    assert sentence.endswith("match 0.90; rank correlation of at least 0.5 for 64 of 64.")


def test_activations_under_noise_are_answered_as_planted():
    rng = np.random.default_rng(0)
    rows = []
    for model, factor in (("a", 2.0), ("a_r", 1.1)):
        for channel in range(50):
            tv = rng.uniform(1, 9)
            rows.append((model, "c1", channel, "clean", tv))
            rows.append((model, "c1", channel, "noisy", tv * factor * rng.uniform(0.9, 1.1)))
    tables = {"activation_tv": frame("activation_tv", rows)}
    finding, (sentence,) = answer_to("activations", tables)
    assert finding.verdict == "yes"
    assert re.search(r"(1.9|2.0)\d → 1.[01]\d \(ratio 0.5\d \[0.5\d to 0.5\d\], n = 50\)", sentence)
    assert verdict("activations", {}) == "not measured"


def labelled(counts, **columns):
    """Table `dissection` (or of controls) from detectors by category among 100 channels."""
    rows = [
        (model, "c1", k, "x", category, 0.05, 0.0, 1)
        for model, of in counts.items()
        for k, category in enumerate(name for name, n in of.items() for _ in range(n))
    ]
    rows += [
        (model, "c1", k, "x", "color", 0.039, 0.0, 1)
        for model, of in counts.items()
        for k in range(sum(of.values()), 100)
    ]
    return frame("dissection", rows).assign(**columns)


SIMPLER = {"a": {"object": 50, "color": 10, "texture": 5}, "a_r": {"color": 40, "texture": 30}}


def test_units_are_answered_as_planted():
    finding, (sentence,) = answer_to("categories", {"dissection": labelled(SIMPLER)})
    assert finding.verdict == "yes"
    assert "color detectors 10.0 → 40.0 % (+30.0 points [" in sentence
    assert "object detectors 50.0 → 0.0 %" in sentence
    assert "n = 100)" in sentence
    rows = [
        (m, "c1", k, "x", "color", 0.1, 1.0, d + k % 2)
        for k in range(40)
        for m, d in (("a", 3), ("a_r", 8))
    ]
    assert verdict("diversity", {"dissection": frame("dissection", rows)}) == "no"


@pytest.mark.parametrize(("colours", "expected"), [(20, "yes"), (38, "mixed")])
def test_differences_within_chance_are_unclear(colours, expected):
    controls = labelled({"a": {}, "a_r": {"color": colours}}, control="random")
    shuffled = labelled({"a": {"color": 99}, "a_r": {"color": 1}}, control="shuffled")
    tables = {
        "dissection": labelled(SIMPLER),
        "dissection_controls": pd.concat([controls, shuffled]),
    }
    finding, (sentence,) = answer_to("categories", tables)
    assert finding.verdict == expected
    assert f"chance up to 99.0 → {colours}.0" in sentence
    assert ("not above chance" in sentence) == (expected == "mixed")
    diverse = labelled(SIMPLER).assign(diversity=lambda rows: rows["channel"] % 2)
    diverse.loc[diverse["model"] == "a", "diversity"] += 3
    for diversity, expected_diversity in ((0, "yes"), (4, "unclear")):
        of_controls = controls.assign(diversity=diversity)
        tables = {"dissection": diverse, "dissection_controls": of_controls}
        assert verdict("diversity", tables) == expected_diversity


@pytest.mark.parametrize(("chance", "expected"), [(0.01, "yes"), (0.05, "no")])
def test_units_against_chance(chance, expected):
    ious = [0.05] * 40 + [0.01] * 60 if expected == "yes" else [0.01] * 100
    rows = [("a", "conv1", i, "red", "color", iou, 0.0, 1) for i, iou in enumerate(ious)]
    labels = frame("dissection", rows)
    controls = pd.concat(
        [labels.assign(iou=0.0, control="shuffled"), labels.assign(iou=chance, control="random")]
    )
    tables = {"dissection": labels, "dissection_controls": controls}
    finding, (sentence,) = answer_to("chance", tables)
    assert finding.verdict == expected
    # The control with the most detectors decides.
    decides = {row["measure"].split()[1]: row["verdict"] for row in finding.answers[0]}
    described = {"yes": "random", "no": "shuffled"}[expected]
    assert decides[described] == "described"
    assert "shuffled → trained weights 0.0 → " in sentence
    assert "chance" not in set(table_of({"dissection": labels})["question"])


def ablated(**networks):
    """Table `ablation` of 30 channels from n_shape, n_texture, Shape and Texture score."""
    rows = [
        (model, "c1", k, *decisions, *scores, -0.1, -0.1)
        for model, (*decisions, shape, texture) in networks.items()
        for k, scores in enumerate([(shape - 1, texture), (shape + 1, texture)] * 15)
    ]
    return frame("ablation", rows)


def test_the_cost_of_ablating_a_channel_is_described_without_a_verdict():
    table = ablated(a=(500, 500, 20, 90), a_r=(500, 0, 90, 0), other=(100, 100, 5, 5))
    finding, sentences = answer_to("ablation", {"ablation": table})
    assert finding.verdict == "described"
    assert sentences[0] == (
        "a: shape decisions changed, mean over 30 channels 4.0 % of 500 (20.00 images); "
        "texture decisions changed, mean over 30 channels 18.0 % of 500 (90.00 images)."
    )
    assert "18.0 % of 500 (90.00 images)" in sentences[1]
    assert sentences[1].endswith("none to lose.")
    assert sentences[2].startswith("other: ")
    assert sentences[3].startswith("The rarer kind of decision usually has smaller margins")
    assert verdict("ablation", {}) == "not measured"


def test_intervals():
    # Newcombe's method 10 on 56/70 against 48/80, as published: 0.2 (0.0524 to 0.3339).
    gap = difference_of_proportions(56 / 70, wilson(56, 70), 48 / 80, wilson(48, 80))
    assert (gap.value, gap.low, gap.high) == pytest.approx((0.2, 0.0524, 0.3339), abs=5e-5)
    assert difference_of_means(np.array([1.0]), np.array([2.0])).sign == 0
    assert combined_verdict(["yes", "unclear"]) == "mixed"
    assert combined_verdict(["described", "yes", "no pair"]) == "yes"
    # Student's t for 1, 2, 3, 4: 2.5 and 3.1824 standard errors of 0.6455.
    assert mean_margin(np.arange(1.0, 5.0)) == pytest.approx((2.5, 2.05426), abs=1e-4)
    assert mean_margin(np.array([3.0])) == (3.0, np.inf)


def test_every_question_is_asked_once_and_published_numbers_belong_to_one():
    questions = read_rows(QUESTIONS)
    keys = [row["key"] for row in questions]
    assert len(set(keys)) == len(keys)
    assert {row["question"] for row in read_rows(PUBLISHED)} <= set(keys)
    for row in read_rows(PUBLISHED):
        assert [float(row[side]) for side in ("standard", "robust") if row[side]]
    cuts = re.findall(r"IoU ≥ ([\d.]+)", "".join(row["text"] for row in questions))
    assert set(map(float, cuts)) == {DETECTOR_IOU}
    assert len(table_of({})) == len(keys) - 2
