"""Errors in a study, each reported in one line that names the key and what is allowed."""

import copy
import datetime
import math
import re
import subprocess
import sys
from functools import reduce
from pathlib import Path

import pytest
import yaml

from planning.study.errors import StudyError
from planning.study.paths import paths_among, plugin_settings
from planning.study.read import merge, read_study
from shapebias.training.settings import TRAINABLE
from tests.conftest import ROOT

TINY = yaml.safe_load((ROOT / "tests/tiny.yaml").read_text())
STUDIES = [ROOT / "config.yaml", *sorted((ROOT / "studies").glob("*.yaml"))]


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.stem)
def test_the_shipped_studies_have_no_errors(path, monkeypatch):
    for name in re.findall(r"\$(SHAPEBIAS_\w+)", path.read_text()):
        monkeypatch.setenv(name, "/nowhere")
    study = read_study(yaml.safe_load(path.read_text()), whole=True)
    assert study["seed"] == 0
    assert all("kind" in e or "materialize" in e for e in study["images"].values())


def test_single_keys_change_the_default_study():
    study = read_study({"seed": 7, "measurements": {"dissection": {"quantile": 0.01}}}, whole=False)
    assert (study["name"], study["seed"]) == ("default", 7)
    assert study["measurements"]["dissection"]["quantile"] == 0.01
    assert study["measurements"]["dissection"]["concepts"] == "scenes"


def changed(path, value):
    """The tiny study with one key changed, or removed if the value is None."""
    study = copy.deepcopy(TINY)
    *folders, last = path.split("/")
    place = reduce(lambda mapping, key: mapping.setdefault(key, {}), folders, study)
    if value is None:
        del place[last]
    else:
        place[last] = value
    return study


ERRORS = {
    "patches that do not divide the size of rendered images": (
        "images/scrambled/transform/patches",
        3,
        [
            "images.scrambled.transform.patches: 64×64 pixels (images.validation.size)",
            "cannot be cut into 3×3 equal patches; allowed for this size: 2, 4, 8, 16, 32, 64",
        ],
    ),
    "patches that do not divide the crop": (
        "images/validation/crop",
        50,
        ["50×50 pixels (images.validation.crop)", "for this size: 2, 5, 10, 25, 50"],
    ),
    "a start from an unknown network": (
        "models/alexnet_r/training/init_from",
        "alexnt",
        ["models.alexnet_r.training.init_from", "did you mean 'alexnet'"],
    ),
    "a start from itself": (
        "models/alexnet/training/init_from",
        "alexnet",
        ["starts from itself", "alexnet <- alexnet"],
    ),
    "an ensemble of one": (
        "models/alexnet/architecture",
        {"kind": "ensemble", "members": ["alexnet_r"]},
        ["models.alexnet.architecture.members", "two members"],
    ),
    "an ensemble of unknown networks": (
        "models/alexnet/architecture",
        {"kind": "ensemble", "members": ["alexnet_r", "resnt"]},
        ["entry of models", "'resnt'"],
    ),
    "weights by name of a network that torchvision lacks": (
        "models/lite",
        {
            "architecture": {"kind": "efficientnet_lite"},
            "classes": "imagenet",
            "weights": "IMAGENET1K_V1",
        },
        ["models.lite.weights", "'efficientnet_lite'", "`path`"],
    ),
    "weights without path, package or name": (
        "models/lite",
        {
            "architecture": {"kind": "resnet"},
            "classes": "imagenet",
            "weights": {"norm": "auxiliary"},
        },
        ["needs one of `path`, `package` and `name`"],
    ),
    "unknown key at the top": ("imagez", {}, ["imagez", "did you mean 'images'"]),
    "unknown measurement": (
        "measurements/disection",
        {},
        ["disection", "did you mean 'dissection'"],
    ),
    "unknown key of a measurement": (
        "measurements/ablation/part",
        2,
        ["part", "did you mean 'parts'"],
    ),
    "unknown key of training": ("models/alexnet/training/epoch", 2, ["epoch", "'epochs'"]),
    "unknown setting of a plug-in": ("images/train/amplitud", 1.0, ["images.train", "'amplitude'"]),
    "unknown setting of a transform": ("images/scrambled/transform/patch", 2, ["'patches'"]),
    "unknown architecture": (
        "models/alexnet/architecture/kind",
        "alexnett",
        ["did you mean 'alexnet'"],
    ),
    "unknown setting of an architecture": ("models/alexnet/architecture/widht", 1.0, ["'width'"]),
    "unknown transform": ("images/noisy/transform/kind", "noize", ["did you mean 'noise'"]),
    "unknown attack kind": ("attacks/l2/kind", "pdg", ["did you mean 'pgd'"]),
    "unknown source": ("images/train/kind", "synthetik", ["did you mean 'synthetic'"]),
    "unknown recipe": ("models/alexnet/training/recipe/kind", "standart", ["'standard'"]),
    "unknown source set": ("images/noisy/from", "validatoin", ["did you mean 'validation'"]),
    "unknown training set": ("models/alexnet/training/images", "trian", ["did you mean 'train'"]),
    "unknown network in a pair": (
        "pairs/alexnet/robust",
        "alexnet_x",
        ["did you mean 'alexnet_r'"],
    ),
    "unknown attack": ("images/adversarial/attack", "l3", ["did you mean 'l2'"]),
    "unknown segmenter": ("images/silhouette/transform/segmenter", "deep", ["'deeplab'"]),
    "a transform without its plug-in": (
        "images/stylized/transform",
        {"kind": "stylize", "styles": "paintings"},
        ["images.stylized.transform lacks the key 'stylizer'"],
    ),
    "a plug-in that a transform does not take": (
        "images/scrambled/transform/corruption",
        {"kind": "fog", "severity": 1},
        ["unknown key", "'corruption'"],
    ),
    "an unknown corruption": (
        "images/scrambled/transform",
        {"kind": "corrupt", "corruption": {"kind": "frog", "severity": 1}},
        ["transform.corruption: unknown kind", "did you mean 'fog'"],
    ),
    "an unknown norm of an attack": (
        "attacks/l2/norm",
        "l3",
        ["attacks.l2.norm: unknown value: 'l3'; did you mean 'l2'?"],
    ),
    "a recipe without its attack": (
        "models/alexnet_r/training/recipe",
        {"kind": "adversarial"},
        ["models.alexnet_r.training.recipe lacks the key 'attack'"],
    ),
    "a segmenter without weights and training": (
        "segmenters/deeplab",
        {"kind": "deeplab"},
        ["segmenters.deeplab needs `weights`", "'category'"],
    ),
    "a segmenter both imported and trained": (
        "segmenters/deeplab/weights",
        {"path": "deeplab.pth"},
        ["takes no 'category'"],
    ),
    "unknown image set to score": (
        "measurements/shape_bias/image_sets",
        ["conflic"],
        ["'conflict'"],
    ),
    "unknown concept set": ("measurements/dissection/concepts", "scene", ["did you mean 'scenes'"]),
    "an unknown area": ("measurements/dissection/area", "all", ["all_images"]),
    "text for a number": ("images/scrambled/transform/patches", "four", ["'four'", "int"]),
    "text for epochs": (
        "models/alexnet/training/epochs",
        "ten",
        ["models.alexnet.training.epochs", "'ten'"],
    ),
    "zero epochs": ("models/alexnet/training/epochs", 0, ["models.alexnet.training.epochs", "0"]),
    "negative learning rate": (
        "models/alexnet/training/learning_rate",
        -1,
        ["learning_rate", "-1"],
    ),
    "quantile above 1": ("measurements/dissection/quantile", 5, ["quantile", "5"]),
    "true for a number": ("attacks/l2/eps", True, ["attacks.l2.eps", "True"]),
    "a name with a slash": ("name", "my/study", ["my/study"]),
    "a set's name with a blank": ("images/my set", {"kind": "synthetic"}, ["my set"]),
    "neither kind nor from": ("images/noisy", {"parts": 1}, ["images.noisy", "kind", "from"]),
    "neither transform nor attack": (
        "images/noisy",
        {"from": "validation"},
        ["transform", "attack"],
    ),
    "neither training nor weights": ("models/alexnet/training", None, ["training", "weights"]),
    "no name": ("name", None, ["lacks the key 'name'"]),
    "no measurements": ("measurements", None, ["lacks the key 'measurements'"]),
    "a missing setting of a plug-in": ("images/train/cues", None, ["images.train", "'cues'"]),
    "a missing radius of an attack": ("attacks/l2/eps", None, ["attacks.l2", "'eps'"]),
    "derived from itself": (
        "images/validation",
        {"from": "scrambled", "transform": {"kind": "blur", "sigma": 1.0}},
        ["derived from itself"],
    ),
    "derived from a set that is not stored": (
        "images/twice",
        {"from": "noisy", "transform": {"kind": "noise", "sd": 0.1}},
        ["noisy", "materialize"],
    ),
    "training on a set that is not stored": (
        "models/alexnet/training/images",
        "noisy",
        ["models.alexnet.training.images", "'noisy' is not stored", "`materialize: true`"],
    ),
    "validating on a set that is not stored": (
        "models/alexnet/training/validation",
        "noisy",
        ["models.alexnet.training.validation", "'noisy' is not stored"],
    ),
    "styles that are not stored": (
        "images/stylized/transform/styles",
        "noisy",
        ["images.stylized.transform.styles", "'noisy' is not stored"],
    ),
    "a network compared with itself": (
        "pairs/alexnet/robust",
        "alexnet",
        ["pairs.alexnet compares 'alexnet' with itself"],
    ),
    "images compared with themselves": (
        "measurements/activation_tv/noisy",
        "validation",
        ["activation_tv compares 'validation' with itself"],
    ),
    "training on an adversarial set": (
        "models/alexnet/training/images",
        "adversarial",
        ["can only be scored"],
    ),
    "a path with an unknown folder": (
        "images/validation",
        {"kind": "imagefolder", "path": "{phots}"},
        ["images.validation.path", "unknown folder: 'phots'"],
    ),
    "a path with an unset variable": (
        "images/validation",
        {"kind": "imagefolder", "path": "$NO_SUCH_VARIABLE/photos"},
        ["images.validation.path", "variable that is not set"],
    ),
    "a folder that no path uses": (
        "folders",
        {"photo": "/photos"},
        ["folders.photo is not used in any path"],
    ),
    "ablation by concept without dissection": (
        "measurements/dissection",
        None,
        ["ablation_by_concept needs measurements.dissection"],
    ),
    "conflict images that are not stored": (
        "measurements/ablation/images",
        "noisy",
        ["ablation.images", "'noisy' is not stored"],
    ),
    "a number that YAML reads as text": (
        "models/alexnet/training/learning_rate",
        "1e-3",
        ["'1e-3' is not of type number; write 0.001"],
    ),
    "a quoted count": (
        "images/scrambled/transform/patches",
        "4",
        ["'4' is not of type int; write 4, without quotes"],
    ),
    "a source with `materialize: false`": (
        "images/validation/materialize",
        False,
        ["images.validation.materialize", "always stored"],
    ),
    "an empty path": (
        "images/validation",
        {"kind": "imagefolder", "path": ""},
        ["images.validation.path is empty"],
    ),
    "a crop larger than any image": (
        "images/validation/crop",
        1_000_000_000,
        ["images.validation.crop", "8192"],
    ),
    "a folder with an unset variable": (
        "folders",
        {"photos": "$NO_SUCH_VARIABLE"},
        ["folders.photos", "--config"],
    ),
    "NaN for a quantile": (
        "measurements/dissection/quantile",
        math.nan,
        ["measurements.dissection.quantile: nan is not a finite number"],
    ),
    "NaN in a list": (
        "measurements/dissection/sweep",
        [0.1, math.nan],
        ["measurements.dissection.sweep.1: nan is not a finite number"],
    ),
    "infinite memory": (
        "measurements/ablation/memory",
        math.inf,
        ["measurements.ablation.memory: inf is not a finite number"],
    ),
    "NaN for an IoU": (
        "measurements/ablation_by_concept/iou_cut",
        math.nan,
        ["measurements.ablation_by_concept.iou_cut: nan is not a finite number"],
    ),
    "a negative infinite level": (
        "images/scrambled/transform",
        {"kind": "saturate", "level": -math.inf},
        ["images.scrambled.transform.level: -inf is not a finite number"],
    ),
    "a pair called all": (
        "pairs/all",
        {"standard": "alexnet", "robust": "alexnet_r"},
        ["pairs: the name 'all' is reserved", "choose another name"],
    ),
    "a set whose name ends in -examples": (
        "images/adversarial-examples",
        {"kind": "synthetic"},
        ["images: the name 'adversarial-examples' is reserved", "choose another name"],
    ),
}


def test_patches_are_checked_only_where_the_study_gives_the_size():
    study = changed("images/scrambled/transform/patches", 3)
    study["images"]["validation"]["crop"] = 63
    read_study(study, whole=True)
    # The images that a resize without a crop makes need not be square.
    study["images"]["validation"] |= {"crop": None, "resize": 64}
    read_study(study, whole=True)


@pytest.mark.parametrize("name", ERRORS)
def test_an_error_is_reported_in_one_line(name):
    path, value, parts = ERRORS[name]
    with pytest.raises(StudyError) as caught:
        read_study(changed(path, value), whole=True)
    message = str(caught.value)
    assert "\n" not in message
    for part in parts:
        assert part in message, message


@pytest.mark.parametrize("name", [True, 1, 1e3, datetime.date(2026, 1, 1)], ids=str)
@pytest.mark.parametrize("family", ["images", "concepts", "segmenters", "attacks", "models"])
def test_a_name_that_yaml_does_not_read_as_text_must_be_quoted(family, name):
    study = copy.deepcopy(TINY)
    study[family][name] = next(iter(study[family].values()))
    message = rf"^{family}: the name {name} is not of type string; .* write it in quotes$"
    with pytest.raises(StudyError, match=message):
        read_study(study, whole=True)


def test_a_reference_that_yaml_does_not_read_as_text_must_be_quoted():
    study = copy.deepcopy(TINY)
    study["measurements"]["accuracy"]["image_sets"] = [True]
    message = r"^measurements\.accuracy\.image_sets\.0: True .* write it in quotes$"
    with pytest.raises(StudyError, match=message):
        read_study(study, whole=True)


def test_a_value_that_contains_itself_is_refused():
    study = copy.deepcopy(TINY)
    study["models"]["alexnet"]["training"]["images"] = images = ["train"]
    images.append(images)
    with pytest.raises(StudyError, match=r"^models\.alexnet\.training\.images\.1: a YAML alias"):
        read_study(study, whole=True)


def test_only_the_level_of_saturate_may_be_infinite():
    study = changed("images/scrambled/transform", {"kind": "saturate", "level": math.inf})
    assert read_study(study, whole=True)["images"]["scrambled"]["transform"]["level"] == math.inf


def test_the_schema_allows_what_the_training_loop_can_train():
    schema = yaml.safe_load((ROOT / "config.schema.yaml").read_text())
    training = schema["$defs"]["model"]["properties"]["training"]["properties"]
    assert tuple(training["trainable"]["enum"]) == TRAINABLE


def test_merging_combines_mappings_level_by_level():
    assert merge({"a": {"b": 1, "c": 2}}, {"a": {"b": 3}}) == {"a": {"b": 3, "c": 2}}


def test_paths_of_plugins_are_expanded(monkeypatch):
    monkeypatch.setenv("WHERE", "/data")
    study = {"folders": {"weights": "$WHERE/vgg"}}
    entry = {"kind": "adain", "encoder": "{weights}/vgg.pth", "decoder": "~", "alpha": 0.5}
    assert paths_among("stylizers", entry) == ["encoder", "decoder"]
    settings = plugin_settings(study, "stylizers", entry)
    assert settings == entry | {"encoder": "/data/vgg/vgg.pth", "decoder": str(Path.home())}


def test_a_download_is_planned_before_the_job_that_reads_it(tmp_path):
    study = copy.deepcopy(TINY)
    study["folders"] = {"cifar": {"download": "cifar10"}}
    study["images"]["photos"] = {"kind": "cifar10", "path": "{cifar}", "split": "test"}
    path = tmp_path / "study.yaml"
    path.write_text(yaml.safe_dump(study))
    command = [sys.executable, "-m", "snakemake", "-n", "--cores", "1", "--nolock"]
    command += ["results/tiny/images/photos/part-0.parquet", "--configfile", str(path)]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    text = result.stdout + result.stderr
    assert "downloads/cifar10/content.json" in text
    assert text.index("rule download_images") < text.index("rule ingest_images")


def test_every_key_of_the_schema_is_described():
    schema = yaml.safe_load((ROOT / "config.schema.yaml").read_text())

    def walk(node, where):
        for key, part in node.get("properties", {}).items():
            described = "description" in part or "$ref" in part
            assert described or key in ("kind", "training"), f"{where}.{key}"
            walk(part, f"{where}.{key}")
        if isinstance(others := node.get("additionalProperties"), dict):
            walk(others, where)

    walk(schema, "study")
    for name, definition in schema["$defs"].items():
        walk(definition, name)


def test_ablated_layers_must_be_dissected():
    study = copy.deepcopy(TINY)
    study["measurements"]["dissection"]["layers"] = ["conv4", "conv5"]
    read_study(study, whole=True)
    study["measurements"]["dissection"]["layers"] = ["conv5"]
    with pytest.raises(StudyError, match=r"^measurements\.ablation\.layers: 'conv4' is ablated"):
        read_study(study, whole=True)
    del study["measurements"]["ablation"]["layers"]
    with pytest.raises(StudyError, match="'all layers' is ablated but not"):
        read_study(study, whole=True)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"recipe": {"kind": "standard", "attack": "l2"}}, "unknown key in .*recipe: 'attack'"),
        ({"recipe": {"kind": "underfit", "target": 0.5}}, "lacks the key 'validation'"),
        ({"batch": 32, "devices": 3}, "batch: 32 images cannot be shared equally by 3 devices"),
        ({"learning_rate": float("nan")}, "learning_rate: nan is not a finite number"),
        ({"learning_rate": float("inf")}, "learning_rate: inf is not a finite number"),
    ],
)
def test_an_impossible_training_is_refused(change, message):
    study = copy.deepcopy(TINY)
    training = {"images": "train", "recipe": {"kind": "standard"}, "epochs": 1}
    training |= {"learning_rate": 0.1} | change
    study["models"]["alexnet"]["training"] = training
    with pytest.raises(StudyError, match=message):
        read_study(study, whole=True)


def test_advprop_needs_batch_norm():
    study = copy.deepcopy(TINY)
    study["models"]["alexnet"]["training"]["recipe"] = {"kind": "advprop", "attack": "l2"}
    with pytest.raises(StudyError, match=r"models\.alexnet\.architecture `batch_norm: true`"):
        read_study(study, whole=True)
    study["models"]["alexnet"]["architecture"]["batch_norm"] = True
    read_study(study, whole=True)


def test_misplaced_sizes_and_colours_of_an_architecture_are_refused():
    study = copy.deepcopy(TINY)
    study["models"]["alexnet"]["architecture"] = {"kind": "alexnet", "input_size": 64}
    with pytest.raises(StudyError, match=r"input_size: move it to models\.alexnet\.input_size"):
        read_study(study, whole=True)
    study["models"]["alexnet"]["architecture"] = {
        "kind": "factory", "function": "a:b", "mean": [124, 116, 104], "std": [1, 1, 1]
    }  # fmt: skip
    with pytest.raises(StudyError, match=r"^models\.alexnet\.architecture\.mean: .* by 255"):
        read_study(study, whole=True)
