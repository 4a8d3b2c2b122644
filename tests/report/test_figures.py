"""Figures for three pairs, one, none, and for a study without their measurement."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.text import Text

from shapebias.errors import ShapebiasError
from shapebias.io.table_schemas import TABLES
from shapebias.io.tables import arrow_table
from shapebias.plugins import draw, kinds
from shapebias.report.figures.matched_filters import picture
from shapebias.report.plotting.panels import panels
from shapebias.report.plotting.style import OTHERS, ROBUST, STANDARD, png, save
from shapebias.report.table_rows import accuracy_rows, counts_at_cut, varying_channels

PAIRS = {
    name: {"standard": name, "robust": f"{name}_r"} for name in ("alexnet", "googlenet", "res")
}
STUDIES = {
    "three pairs": (PAIRS, ["advprop"]),
    "one pair": ({"alexnet": PAIRS["alexnet"]}, []),
    "no pair": ({}, ["lonely", "other_$5_$6"]),
    "long names": ({}, [f"resnet50_of_stylized_imagenet_linf_8_255_seed_{i}" for i in range(6)]),
}
NEEDS = {
    "shape_bias": "shape_bias",
    "accuracy": "accuracy",
    "accuracy_by_level": "accuracy",
    "kernel_tv": "kernel_tv",
    "matched_filters": "filter_matches",
    "activation_tv": "activation_tv",
    "detectors": "detectors",
    "concept_differences": "dissection",
    "diversity": "dissection",
    "ablation_by_category": "ablation",
    "important_concepts": "ablation_by_concept",
    "training": "training_log",
}


def invented(table, pairs, unpaired):
    """Small table with every network of a study, which fits its schema."""
    rng = np.random.default_rng(0)
    models = [model for pair in pairs.values() for model in pair.values()] + unpaired
    keys = {
        "model": models,
        "pair": list(pairs),
        "image_set": ["clean", "noisy"],
        "selection": ["all", *pairs],
        "layer": ["conv1", "conv2", "all"],
        "category": ["object", "color", "all"],
        "mode": ["zero", "keep_only"],
        "iou_cut": [0.0, 0.04],
        "channel": range(3),
        "filter": range(4),
        "epoch": [1, 2],
        "class": ["all", "cat"],
    }
    columns = [column.name for column in TABLES[table].columns]
    frame = pd.DataFrame({"_": [0]})
    for name in columns:
        if name in keys:
            frame = frame.merge(pd.DataFrame({name: list(keys[name])}), how="cross")
    for column in TABLES[table].columns:
        if column.name not in keys:
            numbers = rng.uniform(0.1, 0.9, len(frame))
            values = {"text": "x", "count": rng.integers(0, 4, len(frame)), "number": numbers}
            frame[column.name] = values[column.type]
    arrow_table(frame[columns], table)
    return frame[columns]


def inputs(kind, pairs, unpaired, empty=False):
    settings = {
        "accuracy": {"clean": "clean"},
        "accuracy_by_level": {
            "clean": "clean",
            "curves": [{"title": "x", "setting": "sd", "levels": {"noisy": 0.1}}],
        },
        "activation_tv": {"clean": "clean", "noisy": "noisy"},
        "important_concepts": {"iou_cut": 0.04},
    }
    keywords = {"pairs": pairs, **settings.get(kind, {})}
    if kind not in ("example_stimuli", "matched_filters"):
        keywords["unpaired"] = unpaired
    if kind == "example_stimuli":
        image = np.zeros((8, 8, 3), dtype=np.uint8)
        return keywords | {
            "rows": [] if empty else [("clean", [image, None]), ("adv (a_r)", [image])]
        }
    frame = invented(NEEDS[kind], pairs, unpaired)
    if kind == "matched_filters":
        models = [model for pair in pairs.values() for model in pair.values()]
        keywords["kernels"] = {
            m: np.random.default_rng(1).normal(size=(4, 3, 3, 3)) for m in models
        }
    if kind == "ablation_by_category":
        keywords["dissection"] = invented("dissection", pairs, unpaired).query(
            "category == 'color'"
        )
    return keywords | {NEEDS[kind]: frame.iloc[:0] if empty else frame}


def texts(figure):
    return {text.get_text() for text in figure.findobj(lambda artist: hasattr(artist, "get_text"))}


def assert_readable(figure):
    """Nothing leaves the canvas, and no title overlaps the annotations of its panel."""
    (width, height), box = figure.get_size_inches(), figure.get_tightbbox()
    assert min(box.min) > -0.02
    assert box.x1 < width + 0.02
    assert box.y1 < height + 0.02
    for axes in figure.axes:
        written = [c for c in axes.get_children() if isinstance(c, Text) and c.get_text()]
        for title in set(written) - set(axes.texts):
            place = title.get_window_extent()
            assert not any(place.overlaps(text.get_window_extent()) for text in axes.texts)


def test_every_figure_is_tested():
    assert set(kinds("figures")) == {*NEEDS, "example_stimuli"}


@pytest.mark.parametrize("study", STUDIES)
@pytest.mark.parametrize("kind", [*NEEDS, "example_stimuli"])
def test_draws_every_network_of_a_study(kind, study):
    pairs, unpaired = STUDIES[study]
    figure = draw(kind, **inputs(kind, pairs, unpaired))
    assert isinstance(figure, Figure)
    assert png(figure).startswith(b"\x89PNG")
    assert_readable(figure)
    written = " ".join(texts(figure)).replace("\n", "")
    if kind == "matched_filters" and not pairs:
        assert "no pair" in written
    elif kind != "example_stimuli":
        shown = list(pairs) + ([] if kind == "matched_filters" else unpaired)
        assert all(name in written for name in shown)


@pytest.mark.parametrize("kind", [*NEEDS, "example_stimuli"])
def test_an_empty_table_gives_a_figure_with_the_reason(kind):
    figure = draw(kind, **inputs(kind, PAIRS, [], empty=True))
    assert "study" in " ".join(texts(figure))


@pytest.mark.parametrize("kind", ["shape_bias", "activation_tv", "matched_filters"])
def test_equal_figures_are_equal_files(kind, tmp_path):
    for suffix in (".png", ".pdf"):
        written = []
        for name in ("a", "b"):
            path = tmp_path / f"{name}{suffix}"
            save(draw(kind, **inputs(kind, *STUDIES["three pairs"])), path)
            written.append(path.read_bytes())
        assert written[0] == written[1]
        assert len(written[0]) > 5_000


def test_figures_are_png_or_pdf(tmp_path):
    with pytest.raises(ShapebiasError, match=r"figure.jpg: a figure is written as \.png or \.pdf"):
        save(Figure(), tmp_path / "figure.jpg")


def test_a_network_has_the_same_colour_everywhere():
    shown = panels(["alexnet_r", "lonely", "alexnet"], PAIRS, ["lonely"])
    assert [panel.title for panel in shown] == ["alexnet", "lonely"]
    assert [network.colour for network in shown[0].networks] == [STANDARD, ROBUST]


@pytest.mark.parametrize("kind", sorted(NEEDS.keys() - {"matched_filters"}))
def test_a_network_without_rows_does_not_change_the_colour_of_another(kind):
    keywords = inputs(kind, {}, ["a", "b", "c"])
    # The order of the rows does not matter either.
    keywords[NEEDS[kind]] = keywords[NEEDS[kind]].query("model != 'a'").iloc[::-1]
    figure = draw(kind, **keywords)
    drawn = {to_hex(bar.get_facecolor()) for axes in figure.axes for bar in axes.patches}
    drawn |= {to_hex(line.get_color()) for axes in figure.axes for line in axes.lines}
    assert {colour.lower() for colour in OTHERS} & drawn == {
        colour.lower() for colour in OTHERS[1:3]
    }


def test_a_networks_colour_and_marker_follow_its_place_in_the_study():
    unpaired = [f"network_{i}" for i in range(12)]
    (panel,) = panels(unpaired, {}, unpaired)
    assert len({(network.colour, network.marker) for network in panel.networks}) == 12
    (part,) = panels(["network_11", "network_7"], {}, unpaired)
    assert part.networks == (panel.networks[7], panel.networks[11])


def test_accuracy_is_over_the_pairs_selection_except_on_the_clean_set():
    frame = invented("accuracy", PAIRS, [])
    rows = accuracy_rows(frame, "alexnet", "clean")
    assert set(rows["selection"][rows["image_set"] == "noisy"]) == {"alexnet"}
    assert set(rows["selection"][rows["image_set"] == "clean"]) == {"all"}
    assert set(accuracy_rows(frame, None, "clean")["selection"]) == {"all"}


@pytest.mark.parametrize("kind", ["detectors", "diversity"])
def test_chance_is_drawn_where_it_was_measured(kind):
    frame = invented("dissection", PAIRS, []).query("layer != 'all'")
    controls = pd.concat([frame.assign(control=control) for control in ("random", "shuffled")])
    controls["category"] = "color"
    controls["diversity"] += controls["control"] == "random"
    keywords = inputs(kind, PAIRS, [])
    assert not any("chance" in text for text in texts(draw(kind, **keywords)))
    figure = draw(kind, **keywords, dissection_controls=controls)
    assert any("chance" in text for text in texts(figure))
    lines = figure.axes[0].lines
    if kind == "detectors":
        marks = [line.get_xdata().tolist() for line in lines if line.get_marker() == "|"]
        # All channels of each control are of one category.
        n_channels = len(controls) // controls["model"].nunique() // 2
        assert marks == [[n_channels, n_channels]] * 2
    else:
        for control, style in (("random", "--"), ("shuffled", ":")):
            rows = controls[(controls["model"] == "alexnet") & (controls["control"] == control)]
            broken = [line.get_ydata().tolist() for line in lines if line.get_linestyle() == style]
            assert broken[0] == rows.groupby("layer")["diversity"].mean().tolist()
            assert len(broken) == 2


def test_accuracy_by_level_is_over_the_pairs_selection_and_in_order():
    unpaired = [f"network_{i}" for i in range(10)]
    table = invented("accuracy", PAIRS, unpaired)
    noisier = table[table["image_set"] == "noisy"].assign(image_set="noisier")
    table = pd.concat([table, noisier.assign(top1=noisier["top1"] / 2)])
    levels = {"noisy": 2.0, "noisier": float("inf")}
    curves = [{"title": title, "setting": "sd", "levels": levels} for title in ("noise", "grain")]
    figure = draw(
        "accuracy_by_level",
        accuracy=table,
        pairs=PAIRS,
        unpaired=unpaired,
        curves=curves,
        clean="clean",
    )
    titles = [(axes.get_title(loc="left"), axes.get_xlabel()) for axes in figure.axes]
    names = [*PAIRS, "other networks"]
    assert titles == [(name, f"{title}: sd") for title in ("noise", "grain") for name in names]
    for axes, pair in zip(figure.axes, names, strict=False):
        assert [label.get_text() for label in axes.get_xticklabels()] == ["clean", "2", "∞"]
        selection = pair if (table["selection"] == pair).any() else "all"
        shown = list(PAIRS[pair].values()) if pair in PAIRS else unpaired
        lines = axes.lines[::2]
        for model, line in zip(shown, lines, strict=True):
            rows = table[(table["model"] == model) & (table["selection"] == selection)]
            expected = 100 * rows.set_index("image_set")["top1"][["noisy", "noisier"]]
            assert line.get_ydata().tolist() == expected.tolist()
        assert len({(line.get_color(), line.get_marker()) for line in lines}) == len(shown)
    assert figure.axes[0].lines[0].get_color() == STANDARD


def test_every_trained_network_has_a_panel_with_its_name_and_curves():
    shared = {"x": {"standard": "alexnet", "robust": "res"}}
    unpaired = [f"network_{i}" for i in range(12)]
    log = invented("training_log", PAIRS, unpaired)
    figure = draw("training", training_log=log, pairs=PAIRS | shared, unpaired=unpaired)
    uppers = [axes for axes in figure.axes if axes.get_title(loc="left")]
    assert sorted(axes.get_title(loc="left") for axes in uppers) == sorted(log["model"].unique())
    assert len({(axes.get_xlim(), axes.get_ylim()) for axes in uppers}) == 1
    for axes in uppers:
        rows = log[log["model"] == axes.get_title(loc="left")]
        clean, attacked, _ = axes.lines
        assert clean.get_ydata().tolist() == (100 * rows["validation_accuracy"]).tolist()
        assert attacked.get_ydata().tolist() == (100 * rows["adversarial_accuracy"]).tolist()


def test_differences_are_robust_less_standard():
    columns = ["model", "layer", "channel", "concept", "iou"]
    rows = [("alexnet", "c", k, "red", 0.1) for k in range(5)]
    rows += [("alexnet_r", "c", 0, "red", 0.1), ("alexnet_r", "c", 1, "dog", 0.1)]
    # A channel with an IoU of 0 does not count.
    rows += [("alexnet_r", "c", 2, "cat", 0.0)]
    frame = pd.DataFrame(rows, columns=columns)
    (axes,) = draw("concept_differences", dissection=frame, pairs=PAIRS, unpaired=[]).axes
    assert [bar.get_width() for bar in axes.patches] == [1, -4]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["dog", "red"]


def test_differences_between_randomised_controls_are_marked():
    columns = ["model", "layer", "channel", "concept", "iou"]
    rows = [("alexnet", "c", k, "red", 0.1) for k in range(5)] + [("alexnet_r", "c", 0, "dog", 0.1)]
    frame = pd.DataFrame(rows, columns=columns)
    shuffled = [("alexnet_r", "c", k, "red", 0.1) for k in range(3)]
    # Below the cut, and of a concept that no bar shows.
    shuffled += [("alexnet_r", "c", 7, "dog", 0.005), ("alexnet", "c", 8, "cat", 0.1)]
    controls = pd.concat(
        [
            frame.assign(control="random"),
            pd.DataFrame(shuffled, columns=columns).assign(control="shuffled"),
        ]
    )
    figure = draw(
        "concept_differences",
        dissection=frame,
        pairs=PAIRS,
        unpaired=[],
        dissection_controls=controls,
        iou_cut=0.01,
    )
    (axes,) = figure.axes
    assert [bar.get_width() for bar in axes.patches] == [1, -5]
    marks = [line.get_xdata().tolist() for line in axes.lines if line.get_marker() == "|"]
    assert marks == [[1, -5], [0, 3]]
    assert any("chance" in text for text in texts(figure))
    assert any("IoU ≥ 0.01" in text for text in texts(figure))


def test_lost_decisions_are_shares_with_the_number_of_decisions():
    channels = pd.DataFrame({"layer": "conv1", "channel": range(4)})
    both = pd.DataFrame({"model": ["alexnet", "alexnet_r"]}).merge(channels, how="cross")
    ablation = both.assign(
        n_shape=1200, n_texture=7, shape_score=[0, 12, 24, 36, 9, 9, 9, 9], texture_score=1
    )
    labels = both.assign(category=["object", "color"] * 4, iou=[0.1, 0.1, 0.1, 0.01] * 2)
    keywords = {"ablation": ablation, "dissection": labels, "pairs": PAIRS, "unpaired": []}
    figure = draw("ablation_by_category", **keywords)
    shape, texture, score, _ = figure.axes
    assert [bar.get_width() for bar in shape.patches[:3]] == pytest.approx([1.5, 1.0, 2.0])
    assert [bar.get_width() for bar in score.patches[:3]] == [18, 12, 24]
    # Student's t with three degrees of freedom.
    for axes, end in ((shape, 3.5540), (score, 42.648)):
        interval = axes.collections[0].get_paths()[0]
        assert interval.vertices[1, 0] == pytest.approx(end, rel=1e-4)
    assert {text.get_text() for text in shape.texts} == {"of 1,200", "4", "2"}
    assert {text.get_text() for text in texture.texts} == {"of 7", "4", "2"}
    assert any("IoU > 0" in text for text in texts(figure))
    strict = draw("ablation_by_category", **keywords, iou_cut=0.04)
    assert [bar.get_width() for bar in strict.axes[2].patches[:3]] == [18, 12, 12]
    assert {text.get_text() for text in strict.axes[0].texts} == {"of 1,200", "4", "2", "1"}
    assert any("IoU ≥ 0.04" in text for text in texts(strict))


def test_the_loss_without_random_channels_is_marked_across_the_bars():
    frame = invented("ablation_by_concept", {}, ["lonely"])
    frame = frame[frame["category"] == "color"].assign(concept="red", n_draws=5)
    frame = frame.assign(accuracy_before=0.9, accuracy_after=0.3, random_accuracy=0.8)
    frame["random_accuracy_sd"] = 0.05
    keywords = {"pairs": {}, "unpaired": ["lonely"], "iou_cut": 0.04}
    figure = draw("important_concepts", ablation_by_concept=frame, **keywords)
    (axes,) = figure.axes
    assert [bar.get_width() for bar in axes.patches] == pytest.approx([60])
    (mark,) = [line for line in axes.lines if line.get_marker() == "|"]
    assert list(mark.get_xdata()) == pytest.approx([10])
    (interval,) = axes.collections[0].get_paths()
    assert interval.vertices[:, 0] == pytest.approx([5, 15])
    assert any("random channels (mean ± sd of 5)" in text for text in texts(figure))
    nothing = frame.assign(n_draws=0, random_accuracy=np.nan, random_accuracy_sd=np.nan)
    without = draw("important_concepts", ablation_by_concept=nothing, **keywords)
    assert not any("random" in text for text in texts(without))
    assert without.axes[0].get_xlim() == (0, 100)


def test_detectors_of_all_layers_are_not_added_to_those_of_each():
    rows = [("a", "conv1", "color", 0.0, 3, 1), ("a", "conv2", "color", 0.0, 4, 2)]
    columns = [column.name for column in TABLES["detectors"].columns]
    layers = pd.DataFrame(rows, columns=columns)
    whole = pd.DataFrame([("a", "all", "color", 0.0, 7, 3)], columns=columns)
    assert counts_at_cut(layers, 0.0)["n_channels"].tolist() == [7]
    assert counts_at_cut(pd.concat([layers, whole]), 0.0)["n_channels"].tolist() == [7]


def test_channels_that_are_constant_are_left_out():
    columns = [column.name for column in TABLES["activation_tv"].columns]
    rows = [("a", "c", k, s, v) for k, v in ((0, 0.0), (1, 2.0)) for s in ("clean", "noisy")]
    both = varying_channels(pd.DataFrame(rows, columns=columns), clean="clean", noisy="noisy")
    assert both["channel"].tolist() == [1]


def test_a_kernel_of_zeros_is_grey():
    assert (picture(np.zeros((3, 2, 2))) == 0.5).all()
    assert picture(np.ones((3, 2, 4))).shape == (2, 4, 3)
