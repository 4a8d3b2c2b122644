"""Files, settings and plug-ins of the jobs of a study."""

from types import SimpleNamespace

import pytest
import yaml

from planning.jobs import image_files, network_files, plugin_lists, report_files, tables
from planning.jobs.code_of import CodeOf
from planning.jobs.study import Study, flatten, one_of, without
from planning.study.read import read_study
from tests.conftest import ROOT


@pytest.fixture
def tiny_study():
    config = yaml.safe_load((ROOT / "tests/tiny.yaml").read_text())
    return Study(read_study(config, whole=True))


def wildcards(**values):
    return SimpleNamespace(**values, items=values.items)


def test_every_image_set_is_in_one_list(tiny_study):
    kinds = [
        tiny_study.source_sets,
        tiny_study.adversarial_sets,
        tiny_study.unstored_sets,
        tiny_study.derived_sets,
    ]
    assert sorted(flatten(kinds)) == sorted(tiny_study.images)
    assert tiny_study.unstored_sets == ["noisy"]
    assert tiny_study.adversarial_sets == ["adversarial"]
    assert tiny_study.derived_sets == ["scrambled", "silhouette", "stylized", "black_and_white"]
    # Images in which the segmenter finds nothing have no silhouette.
    assert tiny_study.filtered_sets == [*tiny_study.source_sets, "silhouette"]


def test_an_unstored_set_is_read_from_its_source(tiny_study):
    of_source = image_files.image_files(tiny_study, "validation")
    assert image_files.image_files(tiny_study, "noisy") == of_source
    assert image_files.image_files(tiny_study, "adversarial") == of_source
    assert image_files.image_files(tiny_study, "scrambled") == [
        "<results>/images/scrambled/part-0.parquet"
    ]
    assert len(image_files.image_files(tiny_study, "train")) == 2


def test_styles_segmenter_and_settings_of_a_transform(tiny_study):
    assert image_files.style_files(tiny_study, "stylized") == image_files.image_files(
        tiny_study, "paintings"
    )
    assert image_files.segmenter_files(tiny_study, "silhouette") == [
        "<results>/segmenters/deeplab/segmenter.safetensors"
    ]
    assert image_files.style_files(tiny_study, "scrambled") == []
    settings = image_files.transform_settings(tiny_study, "noisy")
    assert settings["kind"] == "noise" and settings["sd"] == 0.1
    both = (image_files.transform_settings, "noisy"), (image_files.transform_settings, "scrambled")
    assert [
        image_files.if_unstored(tiny_study, function, name, otherwise=None)
        for function, name in both
    ] == [settings, None]


def test_training_settings_leave_out_when_it_is_saved(tiny_study):
    settings = network_files.training_settings(tiny_study, "alexnet_r")
    assert settings["epochs"] == 2
    assert not settings.keys() & {"save_every", "save_minutes"}
    assert network_files.training_attack(tiny_study, "alexnet") is None
    assert network_files.training_attack(tiny_study, "alexnet_r")["kind"] == "pgd"


def test_files_of_a_measurement_are_listed_network_by_network(tiny_study):
    pattern = "{model}-{part}"
    names = [f"{model}-{part}" for model in ("alexnet", "alexnet_r") for part in (0, 1)]
    assert network_files.stage_files(tiny_study, "ablation", pattern) == names
    assert network_files.stage_files(tiny_study, "ablation", pattern, "alexnet") == names[:2]
    assert network_files.stage_files(tiny_study, "no_measurement", pattern) == []


def test_tables_and_figures_are_those_of_the_measurements(tiny_study):
    names = tables.tables(tiny_study)
    assert len(set(names)) == len(names)
    only = Study({**tiny_study.config, "measurements": {"kernel_tv": {}}})
    assert tables.tables(only) == ["training_log", "rejected", "kernel_tv", "findings"]
    assert tables.large_table_parts(only) == {}
    assert set(report_files.figure_tables(only)) == {"kernel_tv", "training"}
    assert only.models_with_pages == []


def test_the_figure_of_stimuli_shows_every_scored_set_once(tiny_study):
    shown = report_files.displayed_sets(tiny_study)
    assert shown[0] == "validation" and len(set(shown)) == len(shown)
    assert set(shown) == {*tiny_study.scored_sets, "conflict"}
    assert set(report_files.adversarial_examples(tiny_study)) == {
        "adversarial (alexnet)",
        "adversarial (alexnet_r)",
    }


def test_plugins_are_those_that_settings_name(tiny_study):
    assert plugin_lists.transform_plugins(tiny_study, wildcards(image_set="stylized")) == [
        ("transforms", "stylize"),
        ("stylizers", "filter_statistics"),
    ]
    silhouette = plugin_lists.transform_plugins(tiny_study, wildcards(image_set="silhouette"))
    assert ("segmenters", "deeplab") in silhouette
    assert (
        plugin_lists.unstored_transform_plugins(tiny_study, wildcards(image_set="scrambled")) == []
    )
    assert plugin_lists.training_plugins(tiny_study, wildcards(model="alexnet_r")) == [
        ("recipes", "adversarial"),
        ("attacks", "pgd"),
    ]
    assert plugin_lists.attack_plugins(tiny_study, wildcards(image_set="adversarial")) == [
        ("attacks", "pgd")
    ]


def test_the_code_of_a_job_names_study_seed_and_packages(tiny_study):
    code = CodeOf(tiny_study, {"torch": "2.13.0"})
    of_training = code("train_network", plugin_lists.model_plugins, plugin_lists.training_plugins)
    standard = of_training(wildcards(model="alexnet"))
    assert standard["study"] == "tiny" and standard["seed"] == 1
    assert standard["packages"]["torch"] == "2.13.0"
    assert standard["packages"]["numpy"] == "absent"
    assert standard["fingerprint"] != of_training(wildcards(model="alexnet_r"))["fingerprint"]


def test_an_entry_is_looked_up_by_the_wildcards(tiny_study):
    parts = tiny_study.entry("images/{image_set}/parts")
    assert parts(wildcards(image_set="train")) == 2
    absent = tiny_study.entry("models/{model}/classes", optional=True)
    assert absent(wildcards(model="alexnet")) is None
    with pytest.raises(KeyError):
        tiny_study.entry("models/{model}/classes")(wildcards(model="alexnet"))


def test_patterns_of_names():
    assert one_of(["a.b", "c"]) == r"a\.b|c"
    assert one_of([]) == "(?!)"
    assert without({"a": 1, "b": 2}, "b", "c") == {"a": 1}
