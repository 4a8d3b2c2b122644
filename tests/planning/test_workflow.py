"""The tiny study through the real rules: its outputs, and what each change re-runs."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from contextlib import contextmanager

import pandas as pd
import pyarrow.parquet as pq
import pytest
import yaml

from shapebias.io.predictions import read_predictions
from tests.conftest import Workflow

pytestmark = pytest.mark.xdist_group("workflow")

NETWORKS = ("alexnet", "alexnet_r")
SETS = (
    "validation",
    "conflict",
    "scrambled",
    "noisy",
    "silhouette",
    "stylized",
    "black_and_white",
)
# Rules that follow from any table with measurements.
REPORT = {"tabulate_findings", "write_report"}
# Rules whose jobs count the images that they process.
IMAGE_RULES = (
    "ingest_images",
    "ingest_concepts",
    "derive_images",
    "train_segmenter",
    "train_network",
    "predict_images",
    "predict_adversarial_images",
    "measure_activation_tv",
    "dissect_channels",
    "dissect_randomised_networks",
    "ablate_channels",
    "ablate_concepts",
)


@contextmanager
def edited(path, old, new):
    """Replace a text in a file; undo it at the end of the context."""
    before = path.read_text()
    assert old in before, f"{old!r} is not in {path}"
    path.write_text(before.replace(old, new, 1))
    try:
        yield
    finally:
        path.write_text(before)


def jobs(rule, **wildcards):
    """Return job names as `Workflow.planned` does, for every combination of rules and wildcards."""
    names = [rule] if isinstance(rule, str) else list(rule)
    for key, values in wildcards.items():
        values = [values] if isinstance(values, str) else values
        names = [f"{name}, {key}={value}" for name in names for value in values]
    return {name.replace(",", "", 1) for name in names}


def tables(workflow, name):
    return pd.read_parquet(workflow.folder / f"results/tiny/tables/{name}.parquet")


def test_all_tables_figures_and_the_report_are_made(tiny):
    results = tiny.folder / "results/tiny"
    names = {path.stem for path in (results / "tables").glob("*.parquet")}
    assert names == {path.stem for path in (results / "tables").glob("*.csv")}
    assert names == {
        "rejected",
        "training_log",
        "correctly_labelled",
        "accuracy",
        "shape_bias",
        "differences",
        "kernel_tv",
        "filter_matches",
        "activation_tv",
        "dissection",
        "dissection_sweep",
        "dissection_controls",
        "detectors",
        "detectors_by_vote",
        "ablation",
        "ablation_by_category",
        "ablation_by_concept",
        "findings",
    }
    for folder in ("dissection_iou", "top_images", "ablation_flips"):
        stems = {path.stem for path in (results / "tables" / folder).glob("*.parquet")}
        assert stems == set(NETWORKS)
    figures = {path.name for path in (results / "figures").iterdir()}
    assert {name.removesuffix(".png") for name in figures if name.endswith(".png")} == {
        name.removesuffix(".pdf") for name in figures if name.endswith(".pdf")
    }
    assert len(figures) == 24
    report = (results / "report/report.html").read_text()
    assert not re.search(r'(src|href)="https?://', report)
    # All links of the report lead somewhere.
    for page, place in re.findall(r'href="(channels/[^"#]+)#([^"]+)"', report):
        assert f'<section id="{place}"' in (results / "report" / page).read_text()
    pages = {path.stem for path in (results / "report/channels").iterdir()}
    assert pages == set(NETWORKS)


def test_counts_are_consistent(tiny):
    accuracy = tables(tiny, "accuracy")
    totals = accuracy[accuracy["selection"] == "all"].set_index(["model", "image_set"])["n"]
    assert (totals.drop(index="silhouette", level="image_set") == 32).all()
    both = len(tables(tiny, "correctly_labelled"))
    pair = accuracy[(accuracy["selection"] == "alexnet") & (accuracy["image_set"] == "validation")]
    assert (pair["n"] == both).all()
    assert (pair["top1"].dropna() == 1).all()
    bias = tables(tiny, "shape_bias").query("`class` == 'all'")
    assert (bias[["n_shape", "n_texture", "n_neither"]].sum(axis=1) == 56).all()
    channels = {"conv1": 8, "conv2": 24, "conv3": 48, "conv4": 32, "conv5": 32}
    n_channels = tables(tiny, "dissection").groupby(["model", "layer"]).size()
    assert all(n_channels[model].to_dict() == channels for model in NETWORKS)
    ablation = tables(tiny, "ablation")
    assert (ablation.groupby(["model", "layer"]).size() == 32).all()
    flips = pd.concat(
        pq.read_table(
            tiny.folder / f"results/tiny/tables/ablation_flips/{model}.parquet"
        ).to_pandas()
        for model in NETWORKS
    )
    assert ablation[["shape_score", "texture_score"]].sum().sum() == len(flips)
    detectors = tables(tiny, "detectors").query("iou_cut == 0 and layer != 'all'")
    assert detectors["n_channels"].sum() <= 2 * sum(channels.values())
    votes = tables(tiny, "detectors_by_vote").query("iou_cut == 0 and layer != 'all'")
    keys = ["model", "layer", "category"]
    both = detectors.merge(votes, on=keys, suffixes=("", "_by_vote"))
    assert len(both) > 0
    assert (both["n_channels"] <= both["n_channels_by_vote"]).all()


def test_an_edited_caption_re_runs_its_figure(tiny):
    with edited(tiny.folder / "report/shape_bias.rst", "Left: ", "To the left: "):
        assert tiny.planned() == jobs("draw_figure", figure="shape_bias") | {"write_report"}


def test_every_log_ends_with_time_memory_and_images_per_second(tiny):
    logs = list(tiny.folder.glob("results/tiny/logs/**/*.log"))
    assert len(logs) > 60
    for path in logs:
        last = path.read_text().splitlines()[-1]
        end = r", \d+ images, [\d.]+ images/s" if path.parent.name in IMAGE_RULES else ""
        assert re.fullmatch(rf"took [\d.]+ s and [\d.]+ s to start, peak \d+ MiB{end}", last), path


def test_a_second_run_does_nothing(tiny):
    start = time.monotonic()
    result = tiny.run()
    assert "Nothing to be done" in result.stdout + result.stderr
    print(f"nothing to be done after {time.monotonic() - start:.1f} s")


def test_touching_files_re_runs_nothing(tiny):
    for folder in ("shapebias", "scripts", "results/tiny/images", "results/tiny/models"):
        for path in (tiny.folder / folder).rglob("*"):
            if path.is_file():
                os.utime(path)
    assert tiny.planned() == set()


def test_comments_and_docstrings_re_run_nothing(tiny):
    library = tiny.folder / "shapebias"
    with (
        edited(library / "ablation/channels.py", '"""', '"""Reworded. '),
        edited(library / "stimuli/transforms/scramble.py", "\n@plugin", "\n# A comment.\n@plugin"),
        edited(tiny.folder / "scripts/dissect_channels.py", "\ndef main(", "\n# Why.\ndef main("),
    ):
        assert tiny.planned() == set()


def test_moving_and_renaming_a_module_re_runs_nothing(tiny):
    folders = [tiny.folder / name for name in ("shapebias", "scripts")]
    texts = {path: path.read_text() for folder in folders for path in folder.rglob("*.py")}
    old, new = "shapebias.behaviour.predict", "shapebias.moved.labels_of_images"
    assert any(old in text for text in texts.values())
    (tiny.folder / "shapebias/moved").mkdir()
    (tiny.folder / "shapebias/moved/__init__.py").touch()
    source = tiny.folder / "shapebias/behaviour/predict.py"
    target = tiny.folder / "shapebias/moved/labels_of_images.py"
    try:
        for path, text in texts.items():
            path.write_text(text.replace(old, new))
        source.rename(target)
        assert tiny.planned() == set()
        target.write_text(f"{target.read_text()}\nx = 1\n")
        assert jobs("predict_images", model=NETWORKS, image_set="validation") <= tiny.planned()
    finally:
        shutil.rmtree(tiny.folder / "shapebias/moved")
        for path, text in texts.items():
            path.write_text(text)


def reverse_keys(value):
    """Return a value with the keys of every mapping in it in reverse order."""
    if isinstance(value, list):
        return [reverse_keys(item) for item in value]
    if isinstance(value, dict):
        return {key: reverse_keys(value[key]) for key in reversed(value)}
    return value


def test_the_order_of_keys_and_comments_re_run_nothing(tiny):
    path = tiny.folder / tiny.study
    text = path.read_text()
    study = reverse_keys(yaml.safe_load(text))
    # Tables and figures show the entries in the order of the study.
    for family in ("images", "concepts", "segmenters", "attacks", "models", "pairs"):
        study[family] = dict(reversed(study[family].items()))
    path.write_text("# Reordered.\n" + yaml.safe_dump(study, sort_keys=False))
    try:
        assert tiny.planned() == set()
    finally:
        path.write_text(text)


def test_exchanged_networks_of_a_pair_re_run_their_comparisons(tiny):
    pair = "standard: alexnet, robust: alexnet_r"
    with edited(tiny.folder / tiny.study, pair, "standard: alexnet_r, robust: alexnet"):
        planned = tiny.planned()
    assert jobs("match_filters", pair="alexnet") <= planned
    assert {"tabulate_accuracy", "tabulate_differences", "tabulate_findings"} <= planned
    assert not {job for job in planned if job.startswith(("train", "predict", "dissect", "ablate"))}


def ablation_jobs():
    """Jobs of the ablation and those that depend on them."""
    return (
        jobs("ablate_channels", model=NETWORKS, part=("0", "1"))
        | jobs(("ablate_concepts", "write_channel_page"), model=NETWORKS)
        | jobs("concatenate_table", table=("ablation", "ablation_by_concept"))
        | jobs("concatenate_tables_by_model", table="ablation_flips")
        | {"tabulate_ablation_by_category"}
        | jobs("draw_figure", figure=("ablation_by_category", "important_concepts"))
        | REPORT
    )


def test_ablation_code_re_runs_ablation_and_its_dependents(tiny):
    path = tiny.folder / "shapebias/ablation/channels.py"
    with edited(path, path.read_text(), path.read_text() + "\n\nEDITED = True\n"):
        assert tiny.planned() == ablation_jobs()


def test_the_plan_gives_reasons(tiny):
    path = tiny.folder / "shapebias/ablation/channels.py"
    with edited(path, path.read_text(), path.read_text() + "\n\nEDITED = True\n"):
        arguments = ["--quiet", "--cores", "2", "--configfile", tiny.study]
        command = [sys.executable, "-m", "planning.runs.plan", *arguments]
        result = subprocess.run(
            command, cwd=tiny.folder, capture_output=True, text=True, check=True
        )
    lines = result.stdout.splitlines()
    assert re.match(r"16 jobs would run, about \d+ (s|min) of work", lines[0])
    for model in NETWORKS:
        section = lines[lines.index(f"network {model}") + 1 :]
        section = "\n".join(section[: section.index("")])
        line = r"^    ablate_channels: 2 jobs, \d+ (s|min): its code changed$"
        assert re.search(line, section, re.M)
    first = lines[lines.index("tables, figures and report") + 1]
    assert first.endswith("its inputs are computed again")


def test_a_transform_re_runs_its_image_set_and_its_dependents(tiny):
    expected = (
        jobs("derive_images", image_set="scrambled", part="0")
        | jobs("predict_images", model=NETWORKS, image_set="scrambled")
        | {"tabulate_accuracy", "tabulate_differences"}
        | jobs("draw_figure", figure=("accuracy", "example_stimuli"))
        | REPORT
    )
    with edited(
        tiny.folder / tiny.study, "kind: scramble, patches: 4", "kind: scramble, patches: 2"
    ):
        assert tiny.planned() == expected
    path = tiny.folder / "shapebias/stimuli/transforms/scramble.py"
    with edited(path, path.read_text(), path.read_text() + "\n\nEDITED = True\n"):
        assert tiny.planned() == expected


def test_an_unstored_transform_re_runs_the_jobs_that_apply_it(tiny):
    with edited(tiny.folder / tiny.study, "kind: noise, sd: 0.1", "kind: noise, sd: 0.2"):
        assert tiny.planned() == (
            jobs("predict_images", model=NETWORKS, image_set="noisy")
            | jobs("measure_activation_tv", model=NETWORKS, image_set="noisy")
            | jobs("concatenate_table", table="activation_tv")
            | {"tabulate_accuracy", "tabulate_differences"}
            | jobs("draw_figure", figure=("accuracy", "activation_tv", "example_stimuli"))
            | REPORT
        )


def network_jobs(model):
    """Every job that trains or measures one network."""
    return (
        jobs("train_network", model=model)
        | jobs("predict_images", model=model, image_set=SETS)
        | jobs("predict_adversarial_images", model=model, image_set="adversarial")
        | jobs("measure_activation_tv", model=model, image_set=("validation", "noisy"))
        | jobs("dissect_channels", model=model, part=("0", "1"))
        | jobs("dissect_randomised_networks", model=model, control="shuffled", part=("0", "1"))
        | jobs("ablate_channels", model=model, part=("0", "1"))
        | jobs(("ablate_concepts", "write_channel_page"), model=model)
    )


TABLE_JOBS = (
    jobs(
        "concatenate_table",
        table=(
            *("training_log", "activation_tv", "ablation", "ablation_by_concept"),
            *("dissection", "dissection_sweep", "dissection_controls"),
        ),
    )
    | jobs("concatenate_tables_by_model", table=("dissection_iou", "top_images", "ablation_flips"))
    | {
        "tabulate_accuracy",
        "tabulate_kernel_tv",
        "tabulate_shape_bias",
        "tabulate_detectors",
        "tabulate_ablation_by_category",
    }
)
FIGURES = (
    "shape_bias",
    "accuracy",
    "kernel_tv",
    "activation_tv",
    "detectors",
    "concept_differences",
    "diversity",
    "ablation_by_category",
    "important_concepts",
    "training",
)


def test_a_network_s_settings_re_run_that_network(tiny):
    old = "training: {<<: *standard, recipe: {kind: adversarial, attack: l2}}"
    with edited(tiny.folder / tiny.study, old, old[:-1] + ", weight_decay: 0.001}"):
        assert tiny.planned() == (
            network_jobs("alexnet_r")
            | {"select_correctly_labelled", "tabulate_differences"}
            | jobs("match_filters", pair="alexnet")
            | jobs("concatenate_table", table="filter_matches")
            | TABLE_JOBS
            | jobs("draw_figure", figure=(*FIGURES, "matched_filters", "example_stimuli"))
            | REPORT
        )


def test_a_new_network_re_runs_no_other(tiny):
    entry = "  alexnet_2: {architecture: *alexnet, training: {<<: *standard, epochs: 1}}\n\npairs:"
    with edited(tiny.folder / tiny.study, "\npairs:", entry):
        assert tiny.planned() == (
            network_jobs("alexnet_2") | TABLE_JOBS | jobs("draw_figure", figure=FIGURES) | REPORT
        )


def test_a_figures_code_re_runs_that_figure(tiny):
    path = tiny.folder / "shapebias/report/figures/shape_bias.py"
    with edited(path, path.read_text(), path.read_text() + "\n\nEDITED = True\n"):
        assert tiny.planned() == jobs("draw_figure", figure="shape_bias") | {"write_report"}


def conflict_jobs(parts):
    """Jobs that make the parts of the conflict set, and those that depend on them."""
    return (
        jobs("ingest_images", image_set="conflict", part=parts)
        | jobs("predict_images", model=NETWORKS, image_set="conflict")
        | {"tabulate_rejected", "tabulate_shape_bias", "tabulate_differences"}
        | ablation_jobs()
        | jobs("draw_figure", figure=("shape_bias", "example_stimuli"))
    )


def test_a_source_re_runs_its_dependents(tiny):
    with edited(
        tiny.folder / tiny.study, "split: conflict, count: 56", "split: conflict, count: 112"
    ):
        assert tiny.planned() == conflict_jobs("0")


def test_another_copy_computes_the_same_bytes(tiny, tmp_path):
    other = Workflow(tmp_path)
    result = other.run(cores=1)
    assert result.returncode == 0, result.stderr
    files = sorted(tiny.folder.glob("results/tiny/tables/**/*.parquet"))
    assert len(files) == 24
    for path in files:
        copy = tmp_path / path.relative_to(tiny.folder)
        assert path.read_bytes() == copy.read_bytes(), path.name


def test_published_weights_by_path_are_imported(tiny):
    results = tiny.folder / "results/tiny"
    description = json.loads((results / "models/alexnet/model.json").read_text())
    study = yaml.safe_load((tiny.folder / tiny.study).read_text())
    study["models"]["imported"] = {
        "architecture": description["architecture"],
        "input_size": description["input_size"],
        "classes": description["classes"],
        "weights": {"path": "results/tiny/models/alexnet/weights.safetensors"},
    }
    (tiny.folder / "imported.yaml").write_text(yaml.safe_dump(study))
    study, tiny.study = tiny.study, "imported.yaml"
    try:
        result = tiny.run("results/tiny/predictions/imported/validation.parquet", "--nolock")
    finally:
        tiny.study = study
    assert result.returncode == 0, result.stderr
    trained, imported = (
        read_predictions(results / f"predictions/{model}/validation.parquet")
        for model in ("alexnet", "imported")
    )
    pd.testing.assert_frame_equal(trained, imported)


def test_snakemake_writes_its_own_report(tiny, tmp_path):
    result = tiny.run("--report", str(tmp_path / "report.html"))
    assert result.returncode == 0, result.stderr
    text = (tmp_path / "report.html").read_text()
    assert "shape_bias.png" in text and "share of decisions by shape" in text


def test_an_error_in_a_job_is_one_line_and_leaves_no_output(tiny):
    target = "results/wrong/ablation/alexnet/scores-0.parquet"
    text = (tiny.folder / tiny.study).read_text()
    path = tiny.folder / "wrong.yaml"
    path.write_text(text.replace("ablation: {images: conflict", "ablation: {images: validation"))
    path.write_text(path.read_text().replace("name: tiny", "name: wrong"))
    wrong = tiny.folder / "results/wrong"
    wrong.mkdir()
    for name in ("images", "models"):
        (wrong / name).symlink_to(tiny.folder / "results/tiny" / name)
    study, tiny.study = tiny.study, "wrong.yaml"
    try:
        result = tiny.run(target, "--allowed-rules", "ablate_channels", "--nolock")
    finally:
        tiny.study = study
    assert result.returncode != 0
    message = "error: shape and texture are the same class in every image in results/wrong"
    assert message in result.stderr
    assert "Traceback" not in result.stderr
    assert not (tiny.folder / target).exists()
    # The run ends with a summary of what failed, with the path and last lines of its log.
    end = result.stderr[result.stderr.index("1 job failed:") :]
    log = "results/wrong/logs/ablate_channels/alexnet-0.log"
    assert f"ablate_channels, see {log}" in end
    assert f"    {message}" in end


def test_an_unknown_key_is_one_line(tiny):
    result = tiny.run("--config", "sede=1")
    assert result.returncode != 0
    lines = [line for line in result.stderr.splitlines() if "error" in line]
    assert len(lines) == 1
    assert "unknown key in the study: 'sede'; did you mean 'seed'?" in lines[0]
