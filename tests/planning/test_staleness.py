"""Which other changes re-run jobs of the real workflow, and how damaged results are found."""

import os
import re
import runpy
import shutil
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from PIL import Image

from planning.study.read import read_study
from shapebias.networks.classifier import Classifier
from tests.conftest import ROOT, Workflow
from tests.planning.test_workflow import NETWORKS, REPORT, conflict_jobs, edited, jobs, network_jobs

pytestmark = pytest.mark.xdist_group("workflow")


def replace(path, content):
    """Give a file other content and an older time."""
    path.write_bytes(content)
    os.utime(path, (10**9, 10**9))


def run_module(workflow, name, *arguments):
    """Run a module of `planning.runs` on a study."""
    command = [sys.executable, "-m", f"planning.runs.{name}", *arguments, "--cores", "2"]
    return subprocess.run(
        [*command, "--configfile", workflow.study],
        cwd=workflow.folder,
        env={**os.environ, "PYTHONPATH": str(workflow.folder)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_new_image_set_re_runs_no_other(tiny):
    path = tiny.folder / tiny.study
    entry = "  blurred: {from: validation, transform: {kind: blur, sigma: 1.0}}\n\nconcepts:"
    with edited(path, "\nconcepts:", entry), edited(path, "[scrambled,", "[blurred, scrambled,"):
        assert tiny.planned() == (
            jobs("derive_images", image_set="blurred", part="0")
            | jobs("predict_images", model=NETWORKS, image_set="blurred")
            | {"tabulate_accuracy", "tabulate_differences"}
            | jobs("draw_figure", figure=("accuracy", "example_stimuli"))
            | REPORT
        )


def test_a_new_measurement_re_runs_no_other(tiny):
    # The measurement is removed from the results, as if the study had not named it before.
    results = tiny.folder / "results/tiny"
    files = [
        *results.glob("smoothness/activation_tv/*/*"),
        *results.glob("tables/activation_tv.*"),
        *results.glob("figures/activation_tv.*"),
    ]
    for path in files:
        path.rename(f"{path}.backup")
    try:
        assert len(files) == 8
        assert tiny.planned() == (
            jobs("measure_activation_tv", model=NETWORKS, image_set=("validation", "noisy"))
            | jobs("concatenate_table", table="activation_tv")
            | jobs("draw_figure", figure="activation_tv")
            | REPORT
        )
    finally:
        for path in files:
            path.with_name(f"{path.name}.backup").rename(path)


def test_lost_outputs_are_made_again(tiny):
    """Snakemake does not miss an intermediate file if later files exist."""
    folder = tiny.folder / "results/tiny/models/alexnet_r"
    backup = folder.rename(tiny.folder / "alexnet_r.backup")
    try:
        planned = tiny.planned()
        assert jobs("train_network", model="alexnet_r") <= planned
        assert network_jobs("alexnet_r") <= planned
        assert not any("model=alexnet" in job.split(", ") for job in planned)
    finally:
        backup.rename(folder)
    assert tiny.planned() == set()


def test_results_of_other_settings_that_are_put_back_give_a_warning(tiny):
    folders = ("results/tiny", ".snakemake")
    for folder in folders:
        shutil.copytree(tiny.folder / folder, tiny.folder / "backup" / folder)
    derived = "results/tiny/images/scrambled/part-0.parquet"
    warning = "warning: results/tiny was copied or put back without its `.snakemake` folder"

    def put_back(folder):
        shutil.rmtree(tiny.folder / folder)
        shutil.copytree(tiny.folder / "backup" / folder, tiny.folder / folder)

    with edited(tiny.folder / tiny.study, "patches: 4", "patches: 2"):
        assert tiny.run(derived).returncode == 0
        assert jobs("derive_images", image_set="scrambled", part="0").isdisjoint(tiny.planned())
        put_back("results/tiny")
        assert warning in tiny.run("--dry-run").stderr
        # With the engine's folder the change of settings is noticed again.
        put_back(".snakemake")
        result = tiny.run("--dry-run")
        assert warning not in result.stderr
        assert jobs("derive_images", image_set="scrambled", part="0") <= tiny.planned()
    shutil.rmtree(tiny.folder / "backup")
    assert tiny.planned() == set()


def test_a_number_of_parts_re_runs_the_parts_and_their_dependents(tiny):
    path = tiny.folder / tiny.study
    old = "layers: [conv4, conv5], parts: 2"
    with edited(path, old, "layers: [conv4, conv5], parts: 3"):
        assert tiny.planned() == (
            jobs("ablate_channels", model=NETWORKS, part=("0", "1", "2"))
            | jobs("write_channel_page", model=NETWORKS)
            | jobs("concatenate_table", table="ablation")
            | jobs("concatenate_tables_by_model", table="ablation_flips")
            | {"tabulate_ablation_by_category"}
            | jobs("draw_figure", figure="ablation_by_category")
            | REPORT
        )
    old = "split: conflict, count: 56, size: 64"
    with edited(path, old, f"{old}, parts: 2"):
        assert tiny.planned() == conflict_jobs(("0", "1"))


def test_memory_and_saving_intervals_re_run_nothing(tiny):
    path = tiny.folder / tiny.study
    old = "layers: [conv4, conv5], parts: 2"
    with (
        edited(path, "dissection: {", "dissection: {memory: 3, "),
        edited(path, old, f"{old}, memory: 9"),
        edited(
            path, "      epochs: 2", "      epochs: 2\n      save_every: 2\n      save_minutes: 1"
        ),
    ):
        assert tiny.planned() == set()


def test_changed_packages_give_a_warning_and_count_after_renewal(tiny, monkeypatch):
    record = tiny.folder / "results/tiny/records/packages.json"
    before = record.read_text()
    # Metadata as an installation of another version leaves it.
    upgrade = tiny.folder / "matplotlib-99.0.dist-info"
    upgrade.mkdir()
    (upgrade / "METADATA").write_text("Metadata-Version: 2.1\nName: matplotlib\nVersion: 99.0\n")
    try:
        assert tiny.planned() == set()
        lines = run_module(tiny, "plan").stdout.splitlines()
        assert re.fullmatch(
            r"warning: the results were made with other package versions "
            r"\(matplotlib \S+ -> 99.0\) .*",
            lines[0],
        )
        assert lines[1:] == ["nothing would run: all results are up to date"]
        monkeypatch.setenv("SHAPEBIAS_RENEW", "yes")
        output = run_module(tiny, "plan").stdout
        assert re.search(r"draw_figure: \d+ jobs.*: the packages that it uses changed", output)
        monkeypatch.delenv("SHAPEBIAS_RENEW")
        assert {job.split()[0] for job in tiny.planned()} == {"draw_figure", "write_report"}
    finally:
        shutil.rmtree(upgrade)
        record.write_text(before)
    assert tiny.planned() == set()


def test_a_clone_with_results_and_the_engine_s_folder_runs_nothing(tiny, tmp_path):
    origin = tmp_path / "origin"
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(tiny.folder, origin, ignore=ignored, symlinks=True)
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@b", "-C", str(origin)]
    for command in (["init", "-q"], ["add", "-A", "-f"], ["commit", "-q", "-m", "results"]):
        subprocess.run([*git, *command], check=True)
    clone = Workflow.__new__(Workflow)
    clone.folder, clone.study = tmp_path / "clone", tiny.study
    subprocess.run(["git", "clone", "-q", str(origin), str(clone.folder)], check=True)
    assert clone.planned() == set()
    # Changes of settings are noticed in the clone.
    with edited(
        clone.folder / clone.study, "kind: scramble, patches: 4", "kind: scramble, patches: 2"
    ):
        assert jobs("derive_images", image_set="scrambled", part="0") <= clone.planned()


def test_nothing_is_computed_from_a_result_replaced_with_an_older_time(tiny):
    path = tiny.folder / "results/tiny/images/scrambled/part-0.parquet"
    target = "results/tiny/predictions/alexnet/scrambled.parquet"
    before, predictions = path.read_bytes(), (tiny.folder / target).read_bytes()
    replace(path, (path.parents[1] / "validation/part-0.parquet").read_bytes())
    result = tiny.run(target, "--force")
    assert result.returncode != 0
    assert "error: results/tiny/images/scrambled/part-0.parquet: " in result.stderr
    assert not (tiny.folder / target).exists()
    # As the message says, the file is deleted and the study run again.
    path.unlink()
    assert jobs("derive_images", image_set="scrambled", part="0") <= tiny.planned()
    result = tiny.run()
    assert result.returncode == 0, result.stderr
    assert path.read_bytes() == before
    assert (tiny.folder / target).read_bytes() == predictions
    assert tiny.planned() == set()


@pytest.mark.parametrize("damage", ["truncated", "overwritten"])
def test_a_damaged_figure_stops_the_report_until_it_is_deleted(tiny, damage):
    path = tiny.folder / "results/tiny/figures/shape_bias.png"
    report = tiny.folder / "results/tiny/report/report.html"
    before = path.read_bytes(), report.read_bytes()
    path.write_bytes(before[0][:100] if damage == "truncated" else before[0][::-1])
    result = tiny.run()
    assert result.returncode != 0
    assert "error: results/tiny/figures/shape_bias.png: " in result.stderr
    path.unlink()
    result = tiny.run()
    assert result.returncode == 0, result.stderr
    assert (path.read_bytes(), report.read_bytes()) == before
    assert tiny.planned() == set()


UNUSUAL_NAMES = [
    "plain.png",
    "with blank.png",
    "with 'quotes\".png",
    "two\nlines.png",
    "ünï—☃.png",
    "$(x);.png",
]


PHOTOS = 'my photos; touch hacked1 `touch hacked2` & "more" | touch hacked3'


@pytest.fixture(scope="module")
def outside(tiny):
    """A study of photos with unusual names and of imported networks, and its targets."""
    rng = np.random.default_rng(0)
    results = tiny.folder / "results/tiny/models/alexnet"
    description = yaml.safe_load((results / "model.json").read_text())
    for number, name in enumerate(UNUSUAL_NAMES):
        folder = tiny.folder / PHOTOS / description["classes"][number % 2]
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (64, 64, 3), dtype=np.uint8)).save(folder / name)
    shutil.copy(results / "weights.safetensors", tiny.folder / "a network's weights.safetensors")
    study = {
        "name": "outside",
        "images": {"photos": {"kind": "imagefolder", "path": PHOTOS}},
        "models": {
            name: {
                "architecture": description["architecture"],
                "input_size": 64,
                "classes": description["classes"],
                "weights": {"path": weights},
            }
            for name, weights in (
                ("imported", "a network's weights.safetensors"),
                ("other", str(results / "weights.safetensors")),
            )
        },
        "measurements": {"accuracy": {"clean": "photos", "image_sets": []}},
    }
    (tiny.folder / "outside.yaml").write_text(yaml.safe_dump(study))
    workflow = Workflow.__new__(Workflow)
    workflow.folder, workflow.study = tiny.folder, "outside.yaml"
    workflow.targets = [
        f"results/outside/predictions/{model}/photos.parquet" for model in ("imported", "other")
    ]
    result = workflow.run(*workflow.targets, "--nolock")
    assert result.returncode == 0, result.stdout + result.stderr
    return workflow


def test_files_with_unusual_names_are_read(outside):
    frame = pd.read_parquet(outside.folder / outside.targets[0])
    assert sorted(name.split("/", 1)[1] for name in frame["image_id"]) == sorted(UNUSUAL_NAMES)
    assert outside.planned(*outside.targets) == set()
    # The folder's name was not run as a command.
    assert not list(outside.folder.rglob("hacked*"))


def test_weights_restored_with_an_older_time_count(outside):
    path = outside.folder / "a network's weights.safetensors"
    before = path.read_bytes()
    other = outside.folder / "results/tiny/models/alexnet_r/weights.safetensors"
    replace(path, other.read_bytes())
    try:
        assert outside.planned(*outside.targets) == (
            jobs("import_network", model="imported")
            | jobs("predict_images", model="imported", image_set="photos")
        )
    finally:
        path.write_bytes(before)
    assert outside.planned(*outside.targets) == set()


def test_a_photo_restored_with_an_older_time_counts(outside):
    path = next((outside.folder / PHOTOS).glob("*/plain.png"))
    before = path.read_bytes()
    replace(path, before[:-1] + b"\0")
    try:
        assert outside.planned(*outside.targets) == (
            jobs("ingest_images", image_set="photos", part="0")
            | jobs("predict_images", model=("imported", "other"), image_set="photos")
        )
    finally:
        path.write_bytes(before)


def test_stale_files_are_listed_and_then_removed(tiny, outside):
    results = tiny.folder / "results/tiny"
    assert run_module(tiny, "clean_stale").stdout.startswith("0 stale files in results/tiny")
    before = {path: path.stat().st_mtime_ns for path in results.rglob("*") if path.is_file()}
    other_files = sorted((tiny.folder / "results/outside").rglob("*"))
    strange = results / "figures/.node-12.two\nlines.png"
    strange.write_text("half a figure")
    stale = [
        results / "predictions/alexnet/scrambled.parquet",
        results / "logs/predict_images/alexnet-scrambled.log",
    ]
    stale += [results / f"records/sha256/{stale[0].relative_to(results)}.sha256"]
    text = (tiny.folder / tiny.study).read_text()
    (tiny.folder / "renamed.yaml").write_text(text.replace("scrambled", "jumbled"))
    renamed = Workflow.__new__(Workflow)
    renamed.folder, renamed.study = tiny.folder, "renamed.yaml"
    listed = run_module(renamed, "clean_stale")
    assert listed.returncode == 0, listed.stderr
    lines = listed.stdout.splitlines()
    assert {str(path.relative_to(tiny.folder)) for path in stale} <= set(lines)
    assert repr(str(strange.relative_to(tiny.folder))) in lines
    assert all("scrambled" in line or "lines.png" in line for line in lines[:-1])
    assert lines[-1].endswith("`make clean-stale REMOVE=yes` removes them")
    assert {path for path in results.rglob("*") if path.is_file()} == {*before, strange}
    # Files that the study names are not touched.
    removed = run_module(tiny, "clean_stale", "--remove").stdout.splitlines()
    assert removed[0] == f"removed {str(strange.relative_to(tiny.folder))!r}"
    assert removed[1].startswith("1 stale file in results/tiny")
    assert {
        path: path.stat().st_mtime_ns for path in results.rglob("*") if path.is_file()
    } == before
    assert sorted((tiny.folder / "results/outside").rglob("*")) == other_files


def test_nothing_is_removed_while_the_folder_is_locked(tiny):
    lock = tiny.folder / ".snakemake/locks/0.input.lock"
    lock.parent.mkdir(exist_ok=True)
    lock.write_text("x\n")
    try:
        result = run_module(tiny, "clean_stale", "--remove")
    finally:
        lock.unlink()
    assert result.returncode == 1
    assert result.stderr.startswith("error: a Snakemake works in this folder, or was killed")


def script(name):
    """Return the `main` of a rule's script."""
    return runpy.run_path(str(ROOT / "scripts" / f"{name}.py"))["main"]


@pytest.fixture
def little_memory(monkeypatch):
    """Networks run out of memory with more than five images at a time."""
    activations = Classifier.activations

    def limited(self, images):
        if len(images) > 5:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        yield from activations(self, images)

    monkeypatch.setattr(Classifier, "activations", limited)


@pytest.mark.usefixtures("little_memory")
def test_dissection_and_ablation_are_the_same_in_smaller_batches(tiny, tmp_path, capsys):
    results = tiny.folder / "results/tiny"
    network = results / "models/alexnet/weights.safetensors", results / "models/alexnet/model.json"
    study = read_study(yaml.safe_load((tiny.folder / tiny.study).read_text()), whole=True)
    measured = study["measurements"]
    folders = {
        "dissection": ["labels", "overlaps", "top_images", "sweep"],
        "ablation": ["scores", "flips"],
    }
    script("dissect_channels")(
        paths_to_concepts=[results / "concepts/scenes/part-0.parquet"],
        paths_to_network=network,
        architecture=study["models"]["alexnet"]["architecture"],
        paths_to_tables={
            "dissection": tmp_path / "labels",
            "dissection_iou": tmp_path / "overlaps",
            "top_images": tmp_path / "top_images",
            "dissection_sweep": tmp_path / "sweep",
        },
        model="alexnet",
        part=0,
        settings=measured["dissection"],
    )
    script("ablate_channels")(
        paths_to_images=[results / "images/conflict/part-0.parquet"],
        paths_to_network=network,
        architecture=study["models"]["alexnet"]["architecture"],
        path_to_scores=tmp_path / "scores",
        path_to_flips=tmp_path / "flips",
        model="alexnet",
        part=0,
        entry_level=study["entry_level"],
        settings=measured["ablation"],
    )
    log = capsys.readouterr().out
    for step in ("dissecting", "ablating"):
        assert re.search(rf"^{step}: not enough memory .* 4 images at a time$", log, re.MULTILINE)
    for folder, names in folders.items():
        for name in names:
            expected = pd.read_parquet(results / folder / f"alexnet/{name}-0.parquet")
            pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / name), expected)
