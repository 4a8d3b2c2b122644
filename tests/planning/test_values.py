"""Values and names that only the library can judge, checked before a run."""

import copy
import functools
import operator
import re
from importlib.util import find_spec
from typing import NamedTuple

import pytest
import yaml

from planning.networks import layers
from planning.networks.layers import check_layers, check_names, layers_of
from planning.study.entries import check_plugin
from planning.study.errors import StudyError
from planning.study.paths import check_files
from planning.study.read import read_study
from planning.study.values import check_values
from shapebias.errors import ShapebiasError
from shapebias.networks.skip_init import skip_weight_init
from shapebias.plugins import build
from tests.conftest import ROOT

TINY = yaml.safe_load((ROOT / "tests/tiny.yaml").read_text())


class Answer(NamedTuple):
    """Output of a subprocess."""

    stdout: str


def study_with(transform=None, **changes):
    study = copy.deepcopy(TINY) | copy.deepcopy(changes)
    if transform:
        study["images"]["odd"] = {"from": "validation", "transform": transform}
    return read_study(study, whole=True)


@pytest.mark.parametrize(
    ("transform", "message"),
    [
        ({"kind": "noise", "sd": -1}, "-1"),
        ({"kind": "noise", "sd": float("nan")}, "nan is not a finite number"),
        ({"kind": "median", "size": 4}, "4"),
        ({"kind": "fourier"}, ""),
        ({"kind": "scramble", "patches": 1}, "1"),
        ({"kind": "corrupt", "corruption": {"kind": "fog", "severity": 6}}, "6"),
    ],
    ids=lambda value: value["kind"] if isinstance(value, dict) else "",
)
def test_a_value_that_a_transform_refuses_is_reported_with_its_key(transform, message):
    with pytest.raises(StudyError, match=r"^images\.odd\.transform[.:]") as caught:
        check_values(study_with(transform), [])
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("attacks.l2.eps", -1, "-1 is not at least 0; the nearest allowed value is 0"),
        ("attacks.l2.eps", float("inf"), "inf is not a finite number"),
        ("models.small.architecture.width", 0, "0 is not at least 0.015625 .*value is 0.015625"),
        ("models.small.architecture.depth", 17, "unknown value: 17; did you mean '18'"),
        ("models.small.training.recipe.label_smoothing", 2, "2 is not at least 0 and below 1"),
    ],
)
def test_a_number_out_of_a_plugins_range_is_refused(key, value, message):
    study = copy.deepcopy(TINY)
    study["attacks"]["l2"] = {"kind": "pgd", "norm": "l2", "eps": 1, "step": 1, "steps": 1}
    study["models"]["small"] = {
        "architecture": {"kind": "resnet", "depth": 18},
        "training": {
            "images": "train", "recipe": {"kind": "standard"}, "epochs": 1, "learning_rate": 0.1
        },
    }  # fmt: skip
    *parents, setting = key.split(".")
    entry = functools.reduce(operator.getitem, parents, study)
    read_study(study, whole=True)
    entry[setting] = value
    with pytest.raises(StudyError, match=rf"^{re.escape(key)}: {message}") as caught:
        read_study(study, whole=True)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"eps": 8}, "eps: 8 reaches every image, .* did you mean 8/255 = 0.0313725"),
        ({"step": 2}, "step: 2 reaches every image"),
        ({"eps": 1}, "eps: .* did you mean 1/255"),
        ({"eps": 1000}, r"eps: .* pixels are in \[0, 1\]$"),
        ({"kind": "fgsm", "eps": 8}, "eps: .* did you mean 8/255"),
        ({"kind": "fgsm", "eps": 0.1, "step": 10}, "step: 10 reaches"),
        (
            {"norm": "l2", "eps": 128},
            r"eps: .* no two are 55\.4 apart; did you mean 128/255 = 0.50",
        ),
        ({"norm": "l2", "eps": 1, "step": 60}, "step: 60 reaches every image of 32 pixels"),
    ],
)
def test_a_radius_larger_than_any_distance_is_refused(changes, message):
    study = copy.deepcopy(TINY)
    attack = {"kind": "pgd", "norm": "linf", "eps": 0.03, "step": 0.01, "steps": 1} | changes
    if attack["kind"] == "fgsm":
        attack = {key: attack[key] for key in ("kind", "eps", "step")}
    study["attacks"]["l2"] = attack
    study["images"]["validation"]["size"] = 32
    with pytest.raises(StudyError, match=rf"^attacks\.l2\.{message}") as caught:
        read_study(study, whole=True)
    assert "\n" not in str(caught.value)
    if attack["kind"] == "pgd" and attack["norm"] == "linf":
        with pytest.raises(ShapebiasError, match=message):
            build("attacks", **attack)


@pytest.mark.parametrize(
    ("family", "entry", "message"),
    [
        ("stylizers", {"kind": "gatys", "steps": 0}, "steps: 0 is not at least 1"),
        (
            "stylizers",
            {"kind": "adain", "encoder": "a", "decoder": "b", "alpha": 2},
            "alpha: 2 is not at least 0 and at most 1",
        ),
        ("segmenters", {"kind": "deeplab", "width": 0}, "width: 0 is not at least 1"),
        ("segmenters", {"kind": "deeplabv3", "short_side": 5}, "short_side: 5 is not at least 32"),
        (
            "corruptions",
            {"kind": "frost", "severity": 6, "pictures": "a"},
            "severity: unknown value: 6",
        ),
        (
            "datasets",
            {"kind": "caltech256", "path": "a", "split": "test", "test_share": 2},
            "test_share: 2 is not above 0 and below 1",
        ),
    ],
    ids=lambda value: value["kind"] if isinstance(value, dict) else "",
)
def test_numbers_of_plugins_that_planning_does_not_build_are_checked(family, entry, message):
    with pytest.raises(StudyError, match=rf"^here\.{message}"):
        check_plugin("here", family, entry, {"kind"}, injected={"classes"})


def skip_without(library):
    # An import of timm would import torchvision before shapebias.torchvision_import does.
    if find_spec(library) is None:
        pytest.skip(f"{library} is not installed")


def imported(**architecture):
    entry = {"architecture": architecture, "weights": {"path": "x.pth"}, "classes": ["a", "b"]}
    return TINY["models"] | {"foreign": entry}


@pytest.mark.parametrize(
    ("architecture", "message"),
    [
        ({"kind": "torchvision", "name": "resnet51"}, "network of torchvision: .*mean 'resnet50'"),
        (
            {"kind": "timm", "name": "convnext_tinny.fb_in1k"},
            "timm: .*mean 'convnext_tiny'.* such as convnext_tiny, ",
        ),
    ],
    ids=["torchvision", "timm"],
)
def test_an_unknown_network_of_a_library_is_refused(architecture, message):
    skip_without(architecture["kind"])
    with pytest.raises(StudyError, match=rf"^models\.foreign\.architecture\.name: .*{message}"):
        check_values(study_with(models=imported(**architecture)), [])


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("torchvision", "resnet50"),
        ("timm", "resnet50.a1_in1k"),
        ("timm", "tv_resnet50"),
        ("timm", "convnext_tiny"),
    ],
)
def test_names_of_a_librarys_networks_are_accepted(kind, name):
    skip_without(kind)
    check_names("foreign", imported(kind=kind, name=name)["foreign"])


def test_names_of_torchvisions_weights_are_accepted():
    entry = imported(kind="resnet", depth=34)["foreign"] | {"weights": {"name": "IMAGENET1K_V1"}}
    check_names("foreign", entry)


@pytest.mark.parametrize(
    ("architecture", "weights", "message"),
    [
        (
            {"kind": "resnet", "depth": 50},
            "IMAGENET1K_V9",
            "weights: unknown weights of torchvision's resnet50: 'IMAGENET1K_V9'; did you mean "
            "'IMAGENET1K_V2'",
        ),
        ({"kind": "torchvision", "name": "vgg16"}, "IMAGENET_1K", "weights: .*'IMAGENET1K_V1'"),
        (
            {"kind": "timm", "name": "convnext_tiny.in12k_ft_in1"},
            {"path": "x.pth"},
            "architecture.name: .*weights of timm's convnext_tiny: .*mean 'in12k_ft_in1k'",
        ),
    ],
    ids=lambda value: value.get("kind") if isinstance(value, dict) else "",
)
def test_unknown_weights_of_a_library_are_refused(architecture, weights, message):
    if architecture["kind"] == "timm":
        skip_without("timm")
    models = imported(**architecture)
    models["foreign"]["weights"] = weights
    with pytest.raises(StudyError, match=rf"^models\.foreign\.{message}"):
        check_values(study_with(models=models), [])


@pytest.mark.parametrize(
    ("architecture", "weights", "message"),
    [
        ({"kind": "resnet"}, "imagenet1k_v1", "did you mean 'IMAGENET1K_V1'"),
        (
            {"kind": "resnet"},
            "here/x.pth",
            r"'here/x.pth' is a file, .* write \{path: here/x.pth\}",
        ),
        ({"kind": "resnet"}, "https://here/x.pth", r"download https://here/x.pth, and write"),
        ({"kind": "timm", "name": "resnet18"}, "a1_in1k", r"`name: resnet18\.a1_in1k`"),
    ],
    ids=["case", "file", "address", "timm"],
)
def test_a_wrong_name_of_weights_is_refused_with_advice(architecture, weights, message):
    models = imported(**architecture)
    models["foreign"]["weights"] = weights
    with pytest.raises(StudyError, match=rf"^models\.foreign\.weights: .*{message}"):
        check_values(read_study(TINY | {"models": models}, whole=True), [])


def test_settings_of_timm_that_the_workflow_passes_are_refused():
    architecture = {"kind": "timm", "name": "resnet18", "settings": {"num_classes": 5}}
    with pytest.raises(StudyError, match=r"^models\.foreign\.architecture\.settings: num_classes"):
        check_values(study_with(models=imported(**architecture)), [])


def test_a_library_that_is_not_installed_is_not_asked(monkeypatch):
    monkeypatch.setattr(layers, "find_spec", lambda library: None)
    check_values(study_with(models=imported(kind="timm", name="nothing")), [])


def test_only_networks_that_need_it_are_checked_by_their_library(monkeypatch):
    commands = []
    monkeypatch.setattr(
        layers.subprocess, "run", lambda command, **_: commands.append(command) or Answer("")
    )
    check_layers(study_with())
    assert not commands
    study = study_with(models=imported(kind="torchvision", name="vgg11"))
    check_layers(study)
    assert len(commands) == 1
    # A network that has been made was checked by its job.
    monkeypatch.setattr(layers, "results_of", lambda *entry: ROOT)
    check_layers(study)
    assert len(commands) == 1


@pytest.mark.parametrize(
    "architecture",
    [
        {"kind": "alexnet"},
        {"kind": "googlenet"},
        {"kind": "resnet", "depth": 18},
        {"kind": "torchvision", "name": "vgg11", "layers": {"first": "features.0"}},
        {"kind": "efficientnet_lite"},
    ],
    ids=lambda architecture: " ".join(map(str, architecture.values())),
)
def test_layers_are_known_without_building_the_network(architecture):
    if architecture["kind"] == "efficientnet_lite":
        pytest.importorskip("efficientnet_lite_pytorch")
    with skip_weight_init():
        network = build("architectures", classes=["a", "b"], **architecture)
    assert tuple(layers_of(architecture)) == network.layers


def test_an_unknown_layer_is_refused():
    study = study_with()
    study["measurements"] = {"ablation": {"images": "conflict", "layers": ["conv9"]}}
    first = next(iter(study["models"]))
    with pytest.raises(
        StudyError, match=rf"^measurements\.ablation\.layers: .*layer of {first}: 'conv9'; did you"
    ):
        check_values(study, [])
    assert layers_of({"kind": "torchvision", "name": "vgg11"}) is None


def test_unknown_modules_and_layers_of_a_librarys_network_are_refused():
    modules = {"first": "features.0", "odd": "feature.3"}
    models = imported(kind="torchvision", name="squeezenet1_1", layers=modules)
    study = study_with(models=models)
    study["measurements"] = {}
    with pytest.raises(StudyError, match=r"^models\.foreign\.architecture: .*did you mean 'feat"):
        check_values(study, [])
    study["models"] = imported(kind="torchvision", name="squeezenet1_1")
    study["models"] = {"foreign": study["models"]["foreign"]}
    study["measurements"] = {"ablation": {"images": "conflict", "layers": ["features.33"]}}
    with pytest.raises(StudyError, match=r"^measurements\.ablation\.layers: .*layer of foreign"):
        check_values(study, [])


def test_a_folder_in_place_of_a_file_of_weights_is_refused(tmp_path):
    models = imported(kind="resnet")
    models["foreign"]["weights"] = {"path": str(tmp_path)}
    with pytest.raises(StudyError, match=r"^models\.foreign\.weights\.path: .* is a folder: name"):
        check_files(study_with(models=models))


def test_a_plugin_that_needs_files_is_left_to_its_job():
    frost = {"kind": "corrupt", "corruption": {"kind": "frost", "severity": 1, "pictures": "/no"}}
    check_values(study_with(frost), [])


@pytest.mark.parametrize(
    ("folder", "message"),
    [
        ({"download": "cifar"}, "did you mean 'cifar10'"),
        ({"download": "imagenet"}, "https://image-net.org"),
        ({"download": "../../x"}, "unknown image set to download"),
        ({"download": "imagenet_c", "only": "nois.tar"}, "did you mean 'noise.tar'"),
    ],
    ids=str,
)
def test_an_unknown_download_is_refused(folder, message):
    images = TINY["images"] | {"photos": {"kind": "imagefolder", "path": "{here}"}}
    study = study_with(folders={"here": folder}, images=images)
    with pytest.raises(StudyError, match=r"^folders\.here: ") as caught:
        check_values(study, [])
    assert message in str(caught.value)


def test_names_may_contain_points(tmp_path):
    models = imported(kind="resnet")
    models["resnet.v1"] = models.pop("foreign") | {"weights": {"path": str(tmp_path / "x.pth")}}
    study = study_with(models=models)
    with pytest.raises(StudyError, match=r"^models\.resnet\.v1\.weights\.path: .* does not exist"):
        check_files(study)
    (tmp_path / "x.pth").touch()
    check_files(study)


def test_a_missing_image_set_is_reported_with_its_address():
    entry = {"kind": "imagenet", "path": "/nowhere", "split": "val"}
    study = study_with(images=TINY["images"] | {"photos": entry})
    with pytest.raises(StudyError, match=r"/nowhere does not exist.*https://image-net.org"):
        check_files(study)


def test_a_duplicate_key_is_reported_with_its_line(tmp_path):
    path = tmp_path / "study.yaml"
    path.write_text("a: {b: 1}\nc:\n  d: 1\n  d: 2\n")
    with pytest.raises(StudyError, match=r"line 4: duplicate key 'd'"):
        check_values(study_with(), [path])
    path.write_text("a: {b: 1}\nc: {b: 1}\n")
    check_values(study_with(), [path])
