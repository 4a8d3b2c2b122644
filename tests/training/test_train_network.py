"""Fine-tuned networks, ensembles, and trainings of the last layer only."""

import re
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import torch
import yaml

from shapebias.ablation.channels import ablate
from shapebias.errors import ShapebiasError
from shapebias.io.image_codec import encode_png
from shapebias.io.image_sets import ResizeCrop, write_images
from shapebias.io.tables import arrow_table
from shapebias.networks.architectures import ensemble
from shapebias.networks.checkpoints import load_network, save_network
from shapebias.plugins import build
from shapebias.training.train_network import train_network
from tests.conftest import ROOT

RESNET = {"kind": "resnet", "depth": 18, "width": 0.125, "stem": "small"}
ALEXNET = {"kind": "alexnet", "width": 0.125, "stem": "small"}
CLASSES = ["cat", "dog", "eel"]


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    path = tmp_path_factory.mktemp("images") / "part-0.parquet"
    rng = np.random.default_rng(0)
    rows = []
    for number in range(24):
        pixels = rng.integers(0, 90, (64, 64, 3), dtype=np.uint8)
        pixels[..., number % 3] += 150
        label = CLASSES[number % 3]
        rows.append({"image_id": str(number), "image": encode_png(pixels), "label": label})
    write_images(rows, path, sizing=ResizeCrop())
    return [path]


def train(images, folder, name, architecture=RESNET, starts=(), attack=None, **training):
    """Files of a trained network, and its log."""
    defaults = {"recipe": {"kind": "standard"}, "epochs": 2, "batch": 8, "learning_rate": 0.02}
    defaults |= {"momentum": 0.9, "weight_decay": 1e-4, "schedule": "constant"}
    network, log = train_network(
        images,
        images,
        name=name,
        training={**defaults, **training},
        architecture=architecture,
        input_size=None,
        attack=attack,
        seed=0,
        starts=[(*files, None) for files in starts],
    )
    files = folder / f"{name}.safetensors", folder / f"{name}.json"
    save_network(network, *files, architecture=architecture, provenance={})
    return files, log


@pytest.fixture(scope="module")
def parents(images, tmp_path_factory):
    folder = tmp_path_factory.mktemp("parents")
    attack = {"kind": "pgd", "norm": "l2", "eps": 1.0, "step": 0.5, "steps": 2}
    robust = {"recipe": {"kind": "adversarial"}, "attack": attack}
    first, _ = train(images, folder, "standard", epochs=8)
    second, log = train(images, folder, "robust", epochs=8, **robust)
    assert log["adversarial_accuracy"].notna().all()
    arrow_table(log.drop(columns="images_per_second"), "training_log")
    return first, second


def test_a_training_starts_from_another_network(images, parents, tmp_path):
    settings = {"init_from": "standard", "learning_rate": 1e-9, "epochs": 1}
    files, _ = train(images, tmp_path, "tuned", starts=[parents[0]], **settings)
    tuned, start = (dict(load_network(*pair).named_parameters()) for pair in (files, parents[0]))
    assert all(torch.allclose(value, start[key], atol=1e-6) for key, value in tuned.items())
    fresh, _ = train(images, tmp_path, "fresh", learning_rate=1e-9, epochs=1)
    conv = "network.conv1.weight"
    assert not torch.allclose(dict(load_network(*fresh).named_parameters())[conv], start[conv])


def test_a_start_with_another_architecture_or_other_classes_is_rejected(images, parents, tmp_path):
    with pytest.raises(ShapebiasError, match="the network standard is of another network"):
        train(images, tmp_path, "a", ALEXNET, starts=[parents[0]], init_from="standard")
    model = build("architectures", classes=["cat", "dog"], input_size=64, **RESNET)
    files = tmp_path / "two.safetensors", tmp_path / "two.json"
    save_network(model, *files, architecture=RESNET, provenance={})
    with pytest.raises(ShapebiasError, match=r"whose classes are 2 classes .* 3 classes") as error:
        train(images, tmp_path, "a", starts=[files], init_from="two")
    assert "\n" not in str(error.value)


@pytest.fixture(scope="module")
def fused(images, parents, tmp_path_factory):
    folder = tmp_path_factory.mktemp("fused")
    architecture = {"kind": "ensemble", "members": [RESNET, RESNET]}
    settings = {"trainable": "last_layer", "epochs": 6, "learning_rate": 1e-5}
    files, log = train(images, folder, "fused", architecture, starts=parents, **settings)
    assert log["loss"].iloc[-1] < log["loss"].iloc[0]
    return load_network(*files)


@torch.no_grad()
def test_an_ensemble_reads_the_features_of_both(parents, fused):
    members = [load_network(*files) for files in parents]
    pixels = torch.rand(2, 3, 64, 64)
    features = []
    for member in members:
        *_, (_, maps) = member.walk(pixels)
        features.append(maps.mean(dim=(2, 3)))
    # Only the last layer was trained: the members are unchanged, statistics included.
    expected = fused.network.last(torch.cat(features, dim=1))
    assert torch.allclose(fused(pixels), expected, atol=1e-5)
    assert fused.channels() == {key: 2 * n for key, n in members[0].channels().items()}
    for layer, activation in fused.walk(pixels):
        maps = dict(members[0].walk(pixels))[layer]
        assert torch.allclose(activation[:, : maps.shape[1]], maps, atol=1e-5)
        assert torch.allclose(fused.resume(layer, activation), fused(pixels), atol=1e-5)


def test_an_ensemble_is_ablated_like_any_network(fused):
    pixels = torch.rand(4, 3, 64, 64)
    with torch.no_grad():
        before = fused(pixels).argmax(dim=1)
    decided = [fused.classes[number] for number in before]
    others = [fused.classes[number - 1] for number in before]
    ids = [str(number) for number in range(4)]
    scores, _ = ablate(
        fused, pixels, ids, decided, others, channels={"layer4": range(128)}, batch=8
    )
    assert isinstance(scores, pd.DataFrame)
    for channel in range(0, 128, 9):
        with fused.ablated("layer4", [channel]), torch.no_grad():
            flips = int((fused(pixels).argmax(dim=1) != before).sum())
        row = scores[scores["channel"] == channel].iloc[0]
        assert row["shape_score"] == flips


def test_all_weights_of_an_ensemble_can_be_trained_and_repeats_differ(images, parents, tmp_path):
    architecture = {"kind": "ensemble", "members": [RESNET, RESNET]}
    short = {"epochs": 1, "learning_rate": 0.001}
    first, second = (
        load_network(*train(images, tmp_path, name, architecture, starts=parents, **short)[0])
        for name in ("fused_0", "fused_1")
    )
    assert not torch.equal(first.network.last.weight, second.network.last.weight)
    start = load_network(*parents[0]).network.conv1.weight
    assert not torch.equal(first.network.first.conv1.weight, start)


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ([RESNET], "must name two networks, not 1"),
        ([RESNET, ALEXNET], "share no named layers"),
    ],
)
def test_ensembles_need_two_similar_members(members, message):
    with pytest.raises(ShapebiasError, match=message) as error:
        ensemble.build(classes=CLASSES, members=members, input_size=64)
    assert "\n" not in str(error.value)


def test_images_need_labels_and_two_classes_and_fill_a_batch(images, tmp_path):
    white = encode_png(np.full((32, 32, 3), 255, dtype=np.uint8))
    row = {"image_id": "x", "image": white, "label": "cat"}
    for name, change, message in (
        ("unlabelled", {"label": None}, "training image 'x' has no label"),
        ("one_class", {"label": "dog"}, "all training images are of one class, 'dog'"),
        ("small", {}, "fewer than one batch"),
    ):
        path = tmp_path / f"{name}.parquet"
        other = {**row, "image_id": "y", "label": "dog"}
        write_images([{**row, **change}, other], path, sizing=ResizeCrop())
        with pytest.raises(ShapebiasError, match=message):
            train_network(
                [path], [], name="a", training={"recipe": {"kind": "standard"}, "epochs": 1,
                "batch": 8, "learning_rate": 0.1, "momentum": 0.9, "weight_decay": 0.0,
                "schedule": "constant"}, architecture=RESNET, input_size=None, attack=None, seed=0,
            )  # fmt: skip


def test_networks_depend_on_the_networks_they_start_from(tmp_path):
    study = yaml.safe_load((ROOT / "tests/tiny.yaml").read_text())
    plain = study["models"]["alexnet"]
    study["models"] |= {
        "tuned": {**plain, "training": {**plain["training"], "init_from": "alexnet", "devices": 2}},
        "both_{repeat}": {
            "grid": {"repeat": [0, 1]},
            "architecture": {"kind": "ensemble", "members": ["alexnet", "alexnet_r"]},
            "training": {**plain["training"], "trainable": "last_layer", "memory": 3},
        },
    }
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(study))
    targets = [f"results/tiny/models/{name}/model.json" for name in ("tuned", "both_0", "both_1")]
    command = [sys.executable, "-m", "snakemake", "--dry-run", "--nolock", "--cores", "1", *targets]
    done = subprocess.run(
        [*command, "--configfile", str(tmp_path / "study.yaml")],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    jobs = {
        re.search(r"wildcards: model=(\w+)", job)[1]: job
        for job in re.split(r"\n(?=rule )", done.stdout + done.stderr)
        if "train_network" in job.splitlines()[0]
    }
    for name, parents in (("tuned", {"alexnet"}), ("both_1", {"alexnet", "alexnet_r"})):
        inputs = re.search("input: .*", jobs[name])[0]
        names = re.findall(r"models/(\w+)/(?=weights|model\.json)", inputs)
        assert set(names) == parents and len(names) == 2 * len(parents)
    assert "gpu=2" in jobs["tuned"] and "gpu=1" in jobs["both_0"]
    assert "save_every=1, save_seconds=1800" in jobs["tuned"]
    assert "mem_mb=5000" in jobs["tuned"] and "mem_mb=6000" in jobs["both_0"]
