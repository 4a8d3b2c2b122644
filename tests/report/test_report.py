"""The report's page: what it shows, and that it loads and runs nothing from elsewhere."""

import re

import pytest

from shapebias.intervals import wilson
from shapebias.io.table_schemas import TABLES
from shapebias.report.findings.all_questions import findings
from shapebias.report.findings.answers import Measurements
from shapebias.report.pages.report import ReportFigure, render_report
from shapebias.report.pages.setup_tables import setup_tables, words
from shapebias.report.pages.table_views import MAX_UNIT_ROWS, view_of
from shapebias.report.plotting.style import empty_figure, png
from tests.conftest import ROOT
from tests.report.test_findings import PAIRS, ablated, accuracies, frame, table_of

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


DECISIONS = [("<b>", "conflict", "all", 300, 700, 0, 0.3, *wilson(300, 1000))]
TABLES_OF_STUDY = accuracies("shuffled", a=600, a_r=300)
TABLES_OF_STUDY |= {"shape_bias": frame("shape_bias", DECISIONS)}
TABLES_OF_STUDY |= {"findings": table_of(TABLES_OF_STUDY)}


def page(**changes):
    settings = {
        "study": STUDY,
        "descriptions": DESCRIPTIONS,
        "tables": TABLES_OF_STUDY,
        "figures": [ReportFigure("accuracy", png(empty_figure("nothing")), "A *caption*.")],
        "captions": {"accuracy": "About ``accuracy``."},
        "introduction": "An introduction.",
        "provenance": {"fingerprint": "abc", "packages": {"torch": "2.13.0"}, "inputs": {"f": "0"}},
    }
    return render_report(**{**settings, **changes})


def test_the_page_contains_everything_and_loads_nothing():
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


def test_names_and_settings_of_the_study_are_escaped():
    html = page()
    assert "<script>alert" not in html
    assert "&lt;script&gt;alert" in html
    assert "<b>" not in html
    assert "a&amp;b.pt" in html


def test_a_study_without_measurements_has_a_page():
    empty = findings(Measurements({}, {}))
    parts = {"study": {"name": "empty"}, "figures": [], "provenance": None, "captions": None}
    html = page(tables={"findings": empty}, **parts)
    assert html.count("Not measured in this study.") == len(empty)
    html = page(tables={}, **parts)
    assert "no findings" in html and "no figure" in html and "no table" in html


def test_networks_without_feature_maps_are_named():
    html = page(tables={"ablation": ablated(a=(500, 500, 20, 90))})
    assert "without channels to ablate: a_r.</p>" in html
    both = ablated(a=(500, 500, 20, 90), a_r=(500, 0, 90, 0))
    assert "without channels to ablate" not in page(tables={"ablation": both})


def test_captions_cannot_contain_raw_html_or_files():
    caption = ".. raw:: html\n\n   <b>bold</b>\n\n.. include:: /etc/hostname\n"
    assert "<b>bold" not in page(captions={"accuracy": caption})


def test_a_long_table_is_ranked_truncated_and_summarised():
    rows = [("a", "c1", k, "x", "color", k / 1000, 1.0, 2) for k in range(500)]
    view = view_of("dissection", frame("dissection", rows))
    assert (len(view.rows), view.total) == (MAX_UNIT_ROWS, 500)
    assert view.rows[0][2] == ("499", "499")
    assert [heading.name for heading in view.summary.headings][:2] == ["model", "rows"]
    assert "500 rows are shown" in page(tables={"dissection": frame("dissection", rows)})


def test_channels_of_several_networks_are_ranked_by_the_share_of_decisions_lost():
    # 30 of 1,000 decisions are fewer than 9 of 20; a network without decisions loses none.
    few, many, none = ((18, 2, 9, 0), (800, 200, 25, 5), (0, 0, 0, 0))
    rows = [
        (model, "conv", channel, *counts, 0.0, 0.0)
        for model, counts in (("many", many), ("none", none), ("few", few))
        for channel in range(MAX_UNIT_ROWS // 2)
    ]
    view = view_of("ablation", frame("ablation", rows))
    half = MAX_UNIT_ROWS // 2
    assert [row[0][1] for row in view.rows] == ["few"] * half + ["many"] * half
    assert view.order == "those of highest share of decisions lost"


def test_settings_are_written_as_words():
    assert words({"kind": "pgd", "eps": 1.5, "random_start": False}) == (
        "pgd (eps 1.5, random start no)"
    )
    parts = {part.heading: part for part in setup_tables(STUDY, DESCRIPTIONS)}
    assert list(parts) == ["Networks", "Pairs", "Image sets", "Attacks", "Measurements"]
    assert [row[2:4] for row in parts["Networks"].rows] == [
        ("64 × 64 pixels", "conv1, conv2"),
        ("224 × 224 pixels", "24, from blocks.0 to blocks.23"),
    ]


def test_the_set_up_shows_that_a_network_has_no_layers():
    none = {name: {"input_size": 32, "layers": {}} for name in DESCRIPTIONS}
    assert [row[3] for row in setup_tables(STUDY, none)[0].rows] == ["none", "none"]


# Training speeds differ from run to run, so the report does not show them.
@pytest.mark.parametrize("name", sorted(TABLES.keys() - {"training_speed"}))
def test_every_table_has_a_caption(name):
    assert (ROOT / f"report/table_{name}.rst").read_text().strip()


def test_every_figure_has_a_caption_and_a_title():
    from shapebias.plugins import kinds
    from shapebias.report.pages.report import TITLES

    assert set(TITLES) == set(kinds("figures"))
    for kind in kinds("figures"):
        assert (ROOT / f"report/{kind}.rst").read_text().strip()
