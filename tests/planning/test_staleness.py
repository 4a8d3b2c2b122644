"""What else makes results stale, and what does not, through the real workflow."""

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


def replaced(path, content):
    """Give a file another content and an older time."""
    path.write_bytes(content)
    os.utime(path, (10**9, 10**9))


def module(workflow, name, *arguments):
    """Run one of the project's own tools on a study."""
    command = [sys.executable, "-m", f"planning.runs.{name}", *arguments, "--cores", "2"]
    return subprocess.run(
        [*command, "--configfile", workflow.study],
        cwd=workflow.folder,
        env={**os.environ, "PYTHONPATH": str(workflow.folder)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_new_image_set_runs_alone(tiny):
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


def test_a_new_measurement_runs_alone(tiny):
    # As if it had never been there: the study without it leaves all else as it is.
    made = tiny.folder / "results/tiny"
    files = [
        *made.glob("smoothness/activation_tv/*/*"),
        *made.glob("tables/activation_tv.*"),
        *made.glob("figures/activation_tv.*"),
    ]
    for path in files:
        path.rename(f"{path}.away")
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
            path.with_name(f"{path.name}.away").rename(path)


def test_what_a_failed_job_has_lost_is_made_anew(tiny):
    """The engine misses no file as long as there is what was once made from it."""
    lost = tiny.folder / "results/tiny/models/alexnet_r"
    kept = lost.rename(tiny.folder / "alexnet_r.away")
    try:
        planned = tiny.planned()
        assert jobs("train_network", model="alexnet_r") <= planned
        assert network_jobs("alexnet_r") <= planned
        assert not any("model=alexnet" in job.split(", ") for job in planned)
    finally:
        kept.rename(lost)
    assert tiny.planned() == set()


def test_results_of_other_settings_that_are_put_back_are_not_trusted(tiny):
    results, away = tiny.folder / "results/tiny", tiny.folder / "tiny.away"
    shutil.copytree(results, away)
    derived = "results/tiny/images/scrambled/part-0.parquet"
    with edited(tiny.folder / tiny.study, "patches: 4", "patches: 2"):
        assert tiny.run(derived).returncode == 0
        assert jobs("derive_images", image_set="scrambled", part="0").isdisjoint(tiny.planned())
        shutil.rmtree(results)
        away.rename(results)
        assert jobs("derive_images", image_set="scrambled", part="0") <= tiny.planned()
    assert tiny.planned() == set()


def test_a_number_of_parts_counts_for_what_is_split_by_it_and_what_follows(tiny):
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


def test_memory_and_savings_count_for_nothing(tiny):
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


def test_other_packages_are_reported_and_count_when_asked(tiny, monkeypatch):
    note = tiny.folder / "results/tiny/records/packages.json"
    before = note.read_text()
    # What a package's installation leaves for those who ask for its version.
    upgrade = tiny.folder / "matplotlib-99.0.dist-info"
    upgrade.mkdir()
    (upgrade / "METADATA").write_text("Metadata-Version: 2.1\nName: matplotlib\nVersion: 99.0\n")
    try:
        assert tiny.planned() == set()
        said = module(tiny, "plan").stdout.splitlines()
        assert re.fullmatch(
            r"note: these results were made with other packages \(matplotlib \S+ -> 99.0\): .*",
            said[0],
        )
        assert said[1:] == ["nothing would run: all is there and nothing changed"]
        monkeypatch.setenv("SHAPEBIAS_RENEW", "yes")
        said = module(tiny, "plan").stdout
        assert re.search(r"draw_figure: \d+ jobs.*: the packages that it uses changed", said)
        monkeypatch.delenv("SHAPEBIAS_RENEW")
        assert {job.split()[0] for job in tiny.planned()} == {"draw_figure", "write_report"}
    finally:
        shutil.rmtree(upgrade)
        note.write_text(before)
    assert tiny.planned() == set()


def test_a_clone_of_finished_results_runs_nothing(tiny, tmp_path):
    origin = tmp_path / "origin"
    ignored = shutil.ignore_patterns(".snakemake", "__pycache__")
    shutil.copytree(tiny.folder, origin, ignore=ignored, symlinks=True)
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@b", "-C", str(origin)]
    for command in (["init", "-q"], ["add", "-A", "-f"], ["commit", "-q", "-m", "results"]):
        subprocess.run([*git, *command], check=True)
    clone = Workflow.__new__(Workflow)
    clone.folder, clone.study = tmp_path / "clone", tiny.study
    subprocess.run(["git", "clone", "-q", str(origin), str(clone.folder)], check=True)
    assert clone.planned() == set()
    # It is not that it knows nothing: what changes there is stale there.
    with edited(
        clone.folder / clone.study, "kind: scramble, patches: 4", "kind: scramble, patches: 2"
    ):
        assert jobs("derive_images", image_set="scrambled", part="0") <= clone.planned()


def test_a_result_with_another_content_and_an_older_time_is_made_anew(tiny):
    path = tiny.folder / "results/tiny/images/scrambled/part-0.parquet"
    before, twin = path.read_bytes(), path.with_name("part-0.parquet").parents[1] / "validation"
    replaced(path, (twin / "part-0.parquet").read_bytes())
    try:
        result = tiny.run("--dry-run")
        assert "scrambled/part-0.parquet is not what its job wrote" in result.stderr
        assert tiny.planned() == (
            jobs("derive_images", image_set="scrambled", part="0")
            | jobs("predict_images", model=NETWORKS, image_set="scrambled")
            | {"tabulate_accuracy", "tabulate_differences"}
            | jobs("draw_figure", figure=("accuracy", "example_stimuli"))
            | REPORT
        )
    finally:
        path.write_bytes(before)
    assert tiny.planned() == set()


@pytest.mark.parametrize("damage", ["truncated", "overwritten"])
def test_a_damaged_result_is_mended_by_a_run(tiny, damage):
    path = tiny.folder / "results/tiny/figures/shape_bias.png"
    before = path.read_bytes()
    path.write_bytes(before[:100] if damage == "truncated" else before[::-1])
    result = tiny.run()
    assert result.returncode == 0, result.stderr
    assert "figures/shape_bias.png is not what its job wrote" in result.stderr
    assert path.read_bytes() == before
    assert tiny.planned() == set()


ODD = [
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
    """A study of photos with odd names and a network that come from elsewhere, and its targets."""
    rng = np.random.default_rng(0)
    made = tiny.folder / "results/tiny/models/alexnet"
    description = yaml.safe_load((made / "model.json").read_text())
    for number, name in enumerate(ODD):
        folder = tiny.folder / PHOTOS / description["classes"][number % 2]
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (64, 64, 3), dtype=np.uint8)).save(folder / name)
    shutil.copy(made / "weights.safetensors", tiny.folder / "a network's weights.safetensors")
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
                ("other", str(made / "weights.safetensors")),
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


def test_files_with_odd_names_are_read(outside):
    frame = pd.read_parquet(outside.folder / outside.targets[0])
    assert sorted(one.split("/", 1)[1] for one in frame["image_id"]) == sorted(ODD)
    assert outside.planned(*outside.targets) == set()
    # Nothing took the folder's name for a command.
    assert not list(outside.folder.rglob("hacked*"))


def test_weights_restored_with_an_older_time_are_seen(outside):
    path = outside.folder / "a network's weights.safetensors"
    before = path.read_bytes()
    twin = outside.folder / "results/tiny/models/alexnet_r/weights.safetensors"
    replaced(path, twin.read_bytes())
    try:
        assert outside.planned(*outside.targets) == (
            jobs("import_network", model="imported")
            | jobs("predict_images", model="imported", image_set="photos")
        )
    finally:
        path.write_bytes(before)
    assert outside.planned(*outside.targets) == set()


def test_a_photo_restored_with_an_older_time_is_seen(outside):
    path = next((outside.folder / PHOTOS).glob("*/plain.png"))
    before = path.read_bytes()
    replaced(path, before[:-1] + b"\0")
    try:
        assert outside.planned(*outside.targets) == (
            jobs("ingest_images", image_set="photos", part="0")
            | jobs("predict_images", model=("imported", "other"), image_set="photos")
        )
    finally:
        path.write_bytes(before)


def test_what_the_study_no_longer_names_is_listed_and_then_removed(tiny, outside):
    made = tiny.folder / "results/tiny"
    assert module(tiny, "clean_stale").stdout.startswith("0 stale files in results/tiny")
    before = {path: path.stat().st_mtime_ns for path in made.rglob("*") if path.is_file()}
    elsewhere = sorted((tiny.folder / "results/outside").rglob("*"))
    strange = made / "figures/.node-12.two\nlines.png"
    strange.write_text("half a figure")
    stale = [
        made / "predictions/alexnet/scrambled.parquet",
        made / "logs/predict_images/alexnet-scrambled.log",
    ]
    stale += [made / f"records/sha256/{stale[0].relative_to(made)}.sha256"]
    text = (tiny.folder / tiny.study).read_text()
    (tiny.folder / "renamed.yaml").write_text(text.replace("scrambled", "jumbled"))
    renamed = Workflow.__new__(Workflow)
    renamed.folder, renamed.study = tiny.folder, "renamed.yaml"
    listed = module(renamed, "clean_stale")
    assert listed.returncode == 0, listed.stderr
    lines = listed.stdout.splitlines()
    assert {str(path.relative_to(tiny.folder)) for path in stale} <= set(lines)
    assert repr(str(strange.relative_to(tiny.folder))) in lines
    assert all("scrambled" in line or "lines.png" in line for line in lines[:-1])
    assert lines[-1].endswith("`make clean-stale REMOVE=yes` removes them")
    assert {path for path in made.rglob("*") if path.is_file()} == {*before, strange}
    # What the study names is never touched.
    removed = module(tiny, "clean_stale", "--remove").stdout.splitlines()
    assert removed[0] == f"removed {str(strange.relative_to(tiny.folder))!r}"
    assert removed[1].startswith("1 stale file in results/tiny")
    assert {path: path.stat().st_mtime_ns for path in made.rglob("*") if path.is_file()} == before
    assert sorted((tiny.folder / "results/outside").rglob("*")) == elsewhere


def test_nothing_is_removed_while_a_snakemake_works(tiny):
    lock = tiny.folder / ".snakemake/locks/0.input.lock"
    lock.parent.mkdir(exist_ok=True)
    lock.write_text("x\n")
    try:
        refused = module(tiny, "clean_stale", "--remove")
    finally:
        lock.unlink()
    assert refused.returncode == 1
    assert refused.stderr.startswith("error: a Snakemake works in this folder, or was killed")


def script(name):
    """The `main` of a rule's script."""
    return runpy.run_path(str(ROOT / "scripts" / f"{name}.py"))["main"]


@pytest.fixture
def little_memory(monkeypatch):
    """Networks that take five images at a time."""
    activations = Classifier.activations

    def refusing(self, images):
        if len(images) > 5:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        yield from activations(self, images)

    monkeypatch.setattr(Classifier, "activations", refusing)


@pytest.mark.usefixtures("little_memory")
def test_dissection_and_ablation_are_the_same_in_smaller_batches(tiny, tmp_path, capsys):
    made = tiny.folder / "results/tiny"
    network = [made / f"models/alexnet/{name}" for name in ("weights.safetensors", "model.json")]
    study = read_study(yaml.safe_load((tiny.folder / tiny.study).read_text()), whole=True)
    measured = study["measurements"]
    files = {
        name: (made / name, tmp_path / name.replace("/", "-"))
        for name in (
            "dissection/alexnet/labels-0.parquet",
            "dissection/alexnet/overlaps-0.parquet",
            "dissection/alexnet/top_images-0.parquet",
            "dissection/alexnet/sweep-0.parquet",
            "ablation/alexnet/scores-0.parquet",
            "ablation/alexnet/flips-0.parquet",
        )
    }
    outputs = [own for _, own in files.values()]
    script("dissect_channels")(
        [made / "concepts/scenes/part-0.parquet"],
        network,
        outputs[:4],
        model="alexnet",
        part=0,
        settings=measured["dissection"],
    )
    script("ablate_channels")(
        [made / "images/conflict/part-0.parquet"],
        network,
        outputs[4:],
        model="alexnet",
        part=0,
        entry_level=study["entry_level"],
        settings=measured["ablation"],
    )
    said = capsys.readouterr().out
    for what in ("dissecting", "ablating"):
        assert re.search(rf"^{what}: not enough memory .* 4 images at a time$", said, re.MULTILINE)
    for expected, own in files.values():
        pd.testing.assert_frame_equal(pd.read_parquet(own), pd.read_parquet(expected))
