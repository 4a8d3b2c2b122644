"""Findings on planted tables, and the page that holds them."""

import re

import numpy as np
import pandas as pd
import pytest

from shapebias.intervals import mean_margin, wilson
from shapebias.io.table_schemas import TABLES
from shapebias.report.findings.all_questions import findings
from shapebias.report.findings.verdicts import (
    combined_verdict,
    difference_of_means,
    difference_of_proportions,
)
from shapebias.report.pages.report import ReportFigure, render_report
from shapebias.report.pages.setup_tables import setup_tables, words
from shapebias.report.pages.table_views import SHOWN_UNITS, view_of
from shapebias.report.plotting.style import empty_figure, png
from tests.conftest import ROOT

PAIRS = {"a": {"standard": "a", "robust": "a_r"}, "b": {"standard": "b", "robust": "b_r"}}
KINDS = {"shuffled": "scramble", "pgd": "attack", "odd": "saturate"}


def frame(table, rows):
    return pd.DataFrame(rows, columns=[column.name for column in TABLES[table].columns])


def biases(**shape):
    """Table of shape bias from the number of shape decisions in 1,000 of each network."""
    rows = []
    for model, n in shape.items():
        low, high = wilson(n, 1000)
        rows.append((model, "conflict", "all", n, 1000 - n, 100, n / 1000, low, high))
    return frame("shape_bias", rows)


def accuracies(image_set, selection="all", **right):
    """Table of accuracy from the number of images right in 1,000 of each network."""
    rows = []
    for model, n in right.items():
        rows.append((model, image_set, selection, 1000, n / 1000, n / 1000, *wilson(n, 1000)))
    return frame("accuracy", rows)


def answer_to(part, tables, pairs=PAIRS, **settings):
    found = findings(tables, pairs, clean="clean", noisy="noisy", kinds=KINDS, **settings)
    (answer,) = [one for one in found if part in one.question]
    return answer


@pytest.mark.parametrize(
    ("shape", "verdict", "supports"),
    [
        ({"a": 200, "a_r": 700, "b": 300, "b_r": 600}, "yes", True),
        ({"a": 700, "a_r": 200, "b": 600, "b_r": 300}, "no", False),
        ({"a": 200, "a_r": 700, "b": 600, "b_r": 300}, "mixed", None),
        ({"a": 500, "a_r": 510, "b": 500, "b_r": 495}, "unclear", None),
        ({"a": 200, "lonely": 300}, "no pair", None),
        ({}, "not measured", None),
    ],
)
def test_shape_bias_is_answered_as_planted(shape, verdict, supports):
    answer = answer_to("shape-biased", {"shape_bias": biases(**shape)})
    assert (answer.verdict, answer.supports) == (verdict, supports)
    assert "65.32" in answer.published


def test_answers_carry_numbers_and_intervals():
    answer = answer_to("shape-biased", {"shape_bias": biases(a=200, a_r=700, odd=400)})
    assert answer.answers[0].startswith("a: standard 20.0 % [17.6 to 22.6], robust 70.0 %")
    assert "+50.0 points" in answer.answers[0]
    assert answer.answers[1].startswith("odd (in no pair): shape bias 40.0 %")


def test_a_network_without_decisions_is_not_compared():
    table = biases(a=200, a_r=700)
    table.loc[1, ["shape_bias", "low", "high"]] = np.nan
    assert answer_to("shape-biased", {"shape_bias": table}).verdict == "unclear"


def test_scrambling_expects_the_robust_network_to_lose_more():
    lost = accuracies("shuffled", a=600, a_r=300)
    assert answer_to("scrambled", {"accuracy": lost}).verdict == "yes"
    kept = accuracies("shuffled", a=300, a_r=600)
    assert answer_to("scrambled", {"accuracy": kept}).verdict == "no"
    assert answer_to("attack", {"accuracy": kept}).verdict == "not measured"


def test_a_pair_is_compared_on_the_images_that_both_label_correctly():
    everything = accuracies("pgd", a=600, a_r=300)
    chosen = accuracies("pgd", selection="a", a=100, a_r=500)
    answer = answer_to("under attack", {"accuracy": pd.concat([everything, chosen])})
    assert answer.verdict == "yes"
    assert "10.0 → 50.0 %" in answer.answers[0]


def test_image_sets_of_other_kinds_are_described():
    answer = answer_to("other image sets", {"accuracy": accuracies("odd", a=600, a_r=300)})
    assert (answer.verdict, answer.supports) == ("described", None)


def test_kernels_and_filters_are_answered_as_planted():
    rows = [(m, layer, 8, tv) for m, tv in (("a", 2.0), ("a_r", 1.0)) for layer in ("c1", "all")]
    answer = answer_to("kernels", {"kernel_tv": frame("kernel_tv", rows)})
    assert answer.verdict == "yes"
    assert "2 → 1 (−50 %)" in answer.answers[0]
    rows = [("a", i, i, 0.9, -1.0) for i in range(64)]
    assert (
        answer_to("first-layer", {"filter_matches": frame("filter_matches", rows)}).verdict == "no"
    )


def test_activations_under_noise_are_answered_as_planted():
    rng = np.random.default_rng(0)
    rows = []
    for model, factor in (("a", 2.0), ("a_r", 1.1)):
        for channel in range(50):
            tv = rng.uniform(1, 9)
            rows.append((model, "c1", channel, "clean", tv))
            rows.append((model, "c1", channel, "noisy", tv * factor * rng.uniform(0.9, 1.1)))
    answer = answer_to("activations", {"activation_tv": frame("activation_tv", rows)})
    assert answer.verdict == "yes"
    assert answer_to("activations", {}).verdict == "not measured"


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
    own = labelled(SIMPLER)
    answer = answer_to("colours", {"dissection": own})
    assert answer.verdict == "yes"
    assert "of 100 channels, standard" in answer.answers[0]
    assert "color 10 → 40 (+30.0 points [" in answer.answers[0]
    assert "object 50 → 0" in answer.answers[0]
    rows = [
        (m, "c1", k, "x", "color", 0.1, 1.0, d + k % 2)
        for k in range(40)
        for m, d in (("a", 3), ("a_r", 8))
    ]
    assert answer_to("fewer concepts", {"dissection": frame("dissection", rows)}).verdict == "no"


@pytest.mark.parametrize(("colours", "sign"), [(20, "yes"), (38, "mixed")])
def test_what_chance_gives_as_well_is_no_answer(colours, sign):
    controls = labelled({"a": {}, "a_r": {"color": colours}}, control="random")
    more = labelled({"a": {"color": 99}, "a_r": {"color": 1}}, control="shuffled")
    answer = answer_to(
        "colours",
        {"dissection": labelled(SIMPLER), "dissection_controls": pd.concat([controls, more])},
    )
    assert answer.verdict == sign
    assert f"by chance up to 99 → {colours}" in answer.answers[0]
    assert ("not above chance" in answer.answers[0]) == (sign == "mixed")
    diverse = labelled(SIMPLER).assign(diversity=lambda own: own["channel"] % 2)
    diverse.loc[diverse["model"] == "a", "diversity"] += 3
    for more, verdict in ((0, "yes"), (4, "unclear")):
        tables = {"dissection": diverse, "dissection_controls": controls.assign(diversity=more)}
        assert answer_to("fewer concepts", tables).verdict == verdict


@pytest.mark.parametrize(("chance", "verdict"), [(0.01, "yes"), (0.05, "no")])
def test_units_against_chance(chance, verdict):
    ious = [0.05] * 40 + [0.01] * 60 if verdict == "yes" else [0.01] * 100
    rows = [("a", "conv1", i, "red", "color", iou, 0.0, 1) for i, iou in enumerate(ious)]
    own = frame("dissection", rows)
    controls = pd.concat(
        [own.assign(iou=0.0, control="shuffled"), own.assign(iou=chance, control="random")]
    )
    answer = answer_to("chance", {"dissection": own, "dissection_controls": controls})
    assert answer.verdict == verdict
    assert "shuffled 0, random" in answer.answers[0]
    assert ("against random" in answer.answers[0]) == (verdict == "no")
    assert not any("chance" in one.question for one in findings({"dissection": own}, PAIRS))


def ablated(**networks):
    """Table `ablation` of 30 channels from n_shape, n_texture, Shape and Texture score."""
    rows = [
        (model, "c1", k, *decisions, *scores, -0.1, -0.1)
        for model, (*decisions, shape, texture) in networks.items()
        for k, scores in enumerate([(shape - 1, texture), (shape + 1, texture)] * 15)
    ]
    return frame("ablation", rows)


def test_what_a_silenced_channel_costs_is_told_without_a_verdict():
    table = ablated(a=(500, 500, 20, 90), a_r=(500, 0, 90, 0), other=(100, 100, 5, 5))
    answer = answer_to("silencing", {"ablation": table})
    assert answer.verdict == "described"
    assert answer.answers[0].startswith("a, standard: mean of 30 channels 4.0 % of 500 shape")
    assert "and 18.0 % of 500 texture decisions (in images, Shape score 20.00," in answer.answers[0]
    assert "a, robust: mean of 30 channels 18.0 % of 500 shape" in answer.answers[1]
    assert "and 0 texture decisions (in images" in answer.answers[1]
    assert answer.answers[2].startswith("other: ")
    assert "the rarer are often the closer ones" in answer.answers[3]
    assert answer_to("silencing", {}).verdict == "not measured"


def test_intervals():
    # Newcombe's method 10 on 56/70 against 48/80, as published: 0.2 (0.0524 to 0.3339).
    gap = difference_of_proportions(56 / 70, wilson(56, 70), 48 / 80, wilson(48, 80))
    assert (gap.value, gap.low, gap.high) == pytest.approx((0.2, 0.0524, 0.3339), abs=5e-5)
    assert difference_of_means(np.array([1.0]), np.array([2.0])).sign == 0
    assert combined_verdict([1, 0]) == "mixed"
    # Student's t for 1, 2, 3, 4: 2.5 and 3.1824 standard errors of 0.6455.
    assert mean_margin(np.arange(1.0, 5.0)) == pytest.approx((2.5, 2.05426), abs=1e-4)
    assert mean_margin(np.array([3.0])) == (3.0, np.inf)


STUDY = {
    "name": "<script>alert(1)</script>",
    "seed": 7,
    "images": {
        "clean": {"kind": "synthetic", "count": 9},
        "shuffled": {"from": "clean", "transform": {"kind": "scramble", "patches": 4}},
        "pgd": {"from": "clean", "attack": "l2"},
    },
    "attacks": {"l2": {"kind": "pgd", "eps": 1.5}},
    "models": {
        "a": {"architecture": {"kind": "alexnet"}, "weights": "a&b.pt"},
        "a_r": {
            "architecture": {"kind": "alexnet"},
            "training": {"images": "clean", "recipe": {"kind": "adversarial"}, "epochs": 3},
        },
    },
    "pairs": {"a": PAIRS["a"]},
    "measurements": {"accuracy": {"clean": "clean", "image_sets": ["shuffled"]}, "kernel_tv": {}},
}
DESCRIPTIONS = {
    "a": {"input_size": 64, "layers": {"conv1": 8, "conv2": 16}},
    "a_r": {"input_size": 224, "layers": {f"blocks.{i}": 8 for i in range(24)}},
}


def page(**changes):
    given = {
        "study": STUDY,
        "descriptions": DESCRIPTIONS,
        "tables": {
            "accuracy": accuracies("shuffled", a=600, a_r=300),
            "shape_bias": biases(**{"<b>": 300}),
        },
        "figures": [ReportFigure("accuracy", png(empty_figure("nothing")), "A *caption*.")],
        "captions": {"accuracy": "About ``accuracy``."},
        "introduction": "An introduction.",
        "provenance": {"fingerprint": "abc", "packages": {"torch": "2.13.0"}, "inputs": {"f": "0"}},
    }
    return render_report(**{**given, **changes})


def test_the_page_holds_everything_and_loads_nothing():
    html = page()
    for part in ("figure-accuracy", "table-accuracy", "table-shape_bias", "A <em>caption</em>"):
        assert part in html
    for part in ("scrambled images", "60.0 → 30.0 %", "2.13.0", "abc", "An introduction."):
        assert part in html
    for target in re.findall(r"""(?:src|href|url)\s*[=(]\s*["']?([^"'>\s)]+)""", html):
        assert target.startswith(("data:", "#")), target
    assert "http://" not in html and "https://" not in html
    assert "<link" not in html and "@import" not in html
    assert html == page()


def test_what_the_study_says_is_escaped():
    html = page()
    assert "<script>alert" not in html
    assert "&lt;script&gt;alert" in html
    assert "<b>" not in html
    assert "a&amp;b.pt" in html


def test_a_study_of_nothing_has_a_page():
    html = page(study={"name": "empty"}, tables={}, figures=[], provenance=None, captions=None)
    assert html.count("Not measured in this study.") == len(findings({}, {}))
    assert "no figure" in html and "no table" in html


def test_networks_without_layers_are_named():
    html = page(tables={"ablation": ablated(a=(500, 500, 20, 90))})
    assert "no channels to silence: a_r.</p>" in html
    both = ablated(a=(500, 500, 20, 90), a_r=(500, 0, 90, 0))
    assert "Without layers" not in page(tables={"ablation": both})


def test_captions_can_hold_no_raw_html_or_files():
    caption = ".. raw:: html\n\n   <b>bold</b>\n\n.. include:: /etc/hostname\n"
    assert "<b>bold" not in page(captions={"accuracy": caption})


def test_a_long_table_is_ranked_cut_and_summed_up():
    rows = [("a", "c1", k, "x", "color", k / 1000, 1.0, 2) for k in range(500)]
    view = view_of("dissection", frame("dissection", rows))
    assert (len(view.rows), view.total) == (SHOWN_UNITS, 500)
    assert view.rows[0][2] == ("499", "499")
    assert [heading.name for heading in view.summary.headings][:2] == ["model", "rows"]
    assert "500 rows are shown" in page(tables={"dissection": frame("dissection", rows)})


def test_channels_of_several_networks_are_ranked_by_the_share_of_decisions_lost():
    # 30 of 1,000 decisions are fewer than 9 of 20; who decides nothing loses nothing.
    few, many, none = ((18, 2, 9, 0), (800, 200, 25, 5), (0, 0, 0, 0))
    rows = [
        (model, "conv", channel, *counts, 0.0, 0.0)
        for model, counts in (("many", many), ("none", none), ("few", few))
        for channel in range(SHOWN_UNITS // 2)
    ]
    view = view_of("ablation", frame("ablation", rows))
    half = SHOWN_UNITS // 2
    assert [row[0][1] for row in view.rows] == ["few"] * half + ["many"] * half
    assert view.order == "those of highest share of decisions lost"


def test_settings_are_words():
    assert words({"kind": "pgd", "eps": 1.5, "random_start": False}) == (
        "pgd (eps 1.5, random start no)"
    )
    parts = {part.heading: part for part in setup_tables(STUDY, DESCRIPTIONS)}
    assert list(parts) == ["Networks", "Pairs", "Image sets", "Attacks", "Measurements"]
    assert [row[2:4] for row in parts["Networks"].rows] == [
        ("64 × 64 pixels", "conv1, conv2"),
        ("224 × 224 pixels", "24, from blocks.0 to blocks.23"),
    ]


def test_a_network_without_layers_is_said_to_have_none():
    none = {name: {"input_size": 32, "layers": {}} for name in DESCRIPTIONS}
    assert [row[3] for row in setup_tables(STUDY, none)[0].rows] == ["none", "none"]


# Speeds are never the same twice, so they stay beside their network.
@pytest.mark.parametrize("name", sorted(TABLES.keys() - {"training_speed"}))
def test_every_table_has_a_caption(name):
    assert (ROOT / f"report/table_{name}.rst").read_text().strip()


def test_every_figure_has_a_caption_and_a_title():
    from shapebias.plugins import kinds
    from shapebias.report.pages.report import TITLES

    assert set(TITLES) == set(kinds("figures"))
    for kind in kinds("figures"):
        assert (ROOT / f"report/{kind}.rst").read_text().strip()
