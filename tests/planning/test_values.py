"""Values that only the library can judge, told before anything runs."""

import copy
import functools
import operator
import re

import pytest
import yaml

from planning.networks import layers as module_paths
from planning.networks import names
from planning.networks.names import layers_of, names_of, network_name_error, torchvision_weights
from planning.study.entries import check_plugin
from planning.study.errors import StudyError
from planning.study.paths import check_files
from planning.study.read import read_study
from planning.study.values import check_values
from shapebias.errors import ShapebiasError
from shapebias.networks.skip_init import skip_weight_init
from shapebias.plugins import build
from shapebias.torchvision_import import torchvision
from tests.conftest import ROOT

TINY = yaml.safe_load((ROOT / "tests/tiny.yaml").read_text())


def study_with(transform=None, **changes):
    study = copy.deepcopy(TINY) | copy.deepcopy(changes)
    if transform:
        study["images"]["odd"] = {"from": "validation", "transform": transform}
    return read_study(study, whole=True)


@pytest.mark.parametrize(
    ("transform", "said"),
    [
        ({"kind": "noise", "sd": -1}, "-1"),
        ({"kind": "noise", "sd": float("nan")}, "nan"),
        ({"kind": "median", "size": 4}, "4"),
        ({"kind": "fourier"}, ""),
        ({"kind": "scramble", "patches": 1}, "1"),
        ({"kind": "corrupt", "corruption": {"kind": "fog", "severity": 6}}, "6"),
    ],
    ids=lambda value: value["kind"] if isinstance(value, dict) else "",
)
def test_values_that_a_transform_refuses_are_told_with_their_place(transform, said):
    with pytest.raises(StudyError, match=r"^images\.odd\.transform: ") as caught:
        check_values(study_with(transform), [])
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("place", "value", "said"),
    [
        ("attacks.l2.eps", -1, "-1 is not at least 0; the nearest that is: 0"),
        ("attacks.l2.eps", float("inf"), "inf is not at least 0"),
        ("models.small.architecture.width", 0, "0 is not at least 0.015625 .*that is: 0.015625"),
        ("models.small.architecture.depth", 17, "unknown value: 17; did you mean '18'"),
        ("models.small.training.recipe.label_smoothing", 2, "2 is not at least 0 and below 1"),
    ],
)
def test_numbers_that_a_plugin_does_not_take(place, value, said):
    study = copy.deepcopy(TINY)
    study["attacks"]["l2"] = {"kind": "pgd", "norm": "l2", "eps": 1, "step": 1, "steps": 1}
    study["models"]["small"] = {
        "architecture": {"kind": "resnet", "depth": 18},
        "training": {
            "images": "train", "recipe": {"kind": "standard"}, "epochs": 1, "learning_rate": 0.1
        },
    }  # fmt: skip
    *steps, last = place.split(".")
    holder = functools.reduce(operator.getitem, steps, study)
    read_study(study, whole=True)
    holder[last] = value
    with pytest.raises(StudyError, match=rf"^{re.escape(place)}: {said}") as caught:
        read_study(study, whole=True)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("attack", "said"),
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
def test_distances_that_no_images_have(attack, said):
    study = copy.deepcopy(TINY)
    one = {"kind": "pgd", "norm": "linf", "eps": 0.03, "step": 0.01, "steps": 1} | attack
    if one["kind"] == "fgsm":
        one = {key: one[key] for key in ("kind", "eps", "step")}
    study["attacks"]["l2"] = one
    study["images"]["validation"]["size"] = 32
    with pytest.raises(StudyError, match=rf"^attacks\.l2\.{said}") as caught:
        read_study(study, whole=True)
    assert "\n" not in str(caught.value)
    if one["kind"] == "pgd" and one["norm"] == "linf":
        with pytest.raises(ShapebiasError, match=said):
            build("attacks", **one)


@pytest.mark.parametrize(
    ("family", "entry", "said"),
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
            "severity: 6 is not at least 1 and at most 5",
        ),
        (
            "datasets",
            {"kind": "caltech256", "path": "a", "split": "test", "test_share": 2},
            "test_share: 2 is not above 0 and below 1",
        ),
    ],
    ids=lambda one: one["kind"] if isinstance(one, dict) else "",
)
def test_numbers_of_plugins_that_planning_does_not_build(family, entry, said):
    with pytest.raises(StudyError, match=rf"^here\.{said}"):
        check_plugin("here", family, entry, {"kind"}, given={"classes"})


def imported(**architecture):
    entry = {"architecture": architecture, "weights": {"path": "x.pth"}, "classes": ["a", "b"]}
    return TINY["models"] | {"foreign": entry}


@pytest.mark.parametrize(
    ("architecture", "said"),
    [
        ({"kind": "torchvision", "name": "resnet51"}, "network of torchvision: .*mean 'resnet50'"),
        (
            {"kind": "timm", "name": "convnext_tinny.fb_in1k"},
            "timm: .*mean 'convnext_tiny'.* such as convnext_tiny, ",
        ),
    ],
    ids=["torchvision", "timm"],
)
def test_networks_that_a_library_does_not_have(architecture, said):
    if not names_of(architecture["kind"]):
        pytest.skip("the library is not installed")
    with pytest.raises(StudyError, match=rf"^models\.foreign\.architecture\.name: .*{said}"):
        check_values(study_with(models=imported(**architecture)), [])


def test_the_names_of_networks_are_those_of_their_libraries():
    known = torchvision.models.list_models(module=torchvision.models)
    assert set(known) == names_of("torchvision")
    timm = pytest.importorskip("timm")
    assert set(timm.list_models()) <= names_of("timm")
    assert all(map(timm.is_model, names_of("timm")))
    for name in (known[0], "resnet50"):
        assert network_name_error({"kind": "torchvision", "name": name}) is None
    for name in ("resnet50.a1_in1k", "tv_resnet50", "convnext_tiny"):
        assert network_name_error({"kind": "timm", "name": name}) is None


def test_the_names_of_weights_are_those_of_their_libraries():
    models = torchvision.models
    for name in models.list_models(module=models):
        known = set(models.get_model_weights(name).__members__)
        assert known == torchvision_weights(name), name
    timm = pytest.importorskip("timm")
    for name in timm.list_pretrained():
        assert network_name_error({"kind": "timm", "name": name}) is None, name


@pytest.mark.parametrize(
    ("architecture", "weights", "said"),
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
    ids=lambda one: one.get("kind") if isinstance(one, dict) else "",
)
def test_weights_that_a_library_does_not_have(architecture, weights, said):
    if not names_of(architecture["kind"]) and architecture["kind"] == "timm":
        pytest.skip("the library is not installed")
    models = imported(**architecture)
    models["foreign"]["weights"] = weights
    with pytest.raises(StudyError, match=rf"^models\.foreign\.{said}"):
        check_values(study_with(models=models), [])


@pytest.mark.parametrize(
    ("kind", "weights", "said"),
    [
        ({"kind": "resnet"}, "imagenet1k_v1", "did you mean 'IMAGENET1K_V1'"),
        ({"kind": "resnet"}, "here/x.pth", r"'here/x.pth' is a file .* write \{path: here/x.pth\}"),
        ({"kind": "resnet"}, "https://here/x.pth", r"download https://here/x.pth, and write"),
        ({"kind": "timm", "name": "resnet18"}, "a1_in1k", r"`name: resnet18\.a1_in1k`"),
    ],
    ids=["case", "file", "address", "timm"],
)
def test_what_is_no_name_of_weights(kind, weights, said):
    models = imported(**kind)
    models["foreign"]["weights"] = weights
    with pytest.raises(StudyError, match=rf"^models\.foreign\.weights: .*{said}"):
        check_values(read_study(TINY | {"models": models}, whole=True), [])


def test_settings_of_timms_that_the_workflow_gives_itself():
    architecture = {"kind": "timm", "name": "resnet18", "settings": {"num_classes": 5}}
    with pytest.raises(StudyError, match=r"^models\.foreign\.architecture\.settings: num_classes"):
        check_values(study_with(models=imported(**architecture)), [])


def test_a_library_that_is_not_here_says_nothing(monkeypatch):
    monkeypatch.setattr(names, "_files", lambda library: [])
    assert network_name_error({"kind": "timm", "name": "nothing"}) is None


@pytest.mark.parametrize(
    "architecture",
    [
        {"kind": "alexnet"},
        {"kind": "googlenet"},
        {"kind": "resnet", "depth": 18},
        {"kind": "torchvision", "name": "alexnet"},
        {"kind": "torchvision", "name": "googlenet"},
        {"kind": "torchvision", "name": "wide_resnet50_2"},
        {"kind": "torchvision", "name": "resnext50_32x4d"},
        {"kind": "torchvision", "name": "vgg11", "layers": {"first": "features.0"}},
        {"kind": "efficientnet_lite"},
    ],
    ids=lambda one: " ".join(map(str, one.values())),
)
def test_layers_are_those_of_the_network(architecture):
    if architecture["kind"] == "efficientnet_lite":
        pytest.importorskip("efficientnet_lite_pytorch")
    with skip_weight_init():
        network = build("architectures", classes=["a", "b"], **architecture)
    assert tuple(layers_of(architecture)) == network.layers


def test_a_layer_that_a_network_does_not_have():
    study = study_with()
    study["measurements"] = {"ablation": {"images": "conflict", "layers": ["conv9"]}}
    first = next(iter(study["models"]))
    with pytest.raises(
        StudyError, match=rf"^measurements\.ablation\.layers: .*layer of {first}: 'conv9'; did you"
    ):
        check_values(study, [])
    assert layers_of({"kind": "torchvision", "name": "vgg11"}) is None


def test_modules_that_are_no_layers_of_a_network(monkeypatch):
    layers = {"first": "features.0", "odd": "feature.3"}
    models = imported(kind="torchvision", name="squeezenet1_1", layers=layers)
    study = study_with(models=models)
    study["measurements"] = {}
    with pytest.raises(StudyError, match=r"^models\.foreign\.architecture: .*did you mean 'feat"):
        check_values(study, [])
    study["models"] = imported(kind="torchvision", name="squeezenet1_1")
    study["models"] = {"foreign": study["models"]["foreign"]}
    study["measurements"] = {"ablation": {"images": "conflict", "layers": ["features.33"]}}
    with pytest.raises(StudyError, match=r"^measurements\.ablation\.layers: .*layer of foreign"):
        check_values(study, [])
    # What is made already has been judged by its job.
    monkeypatch.setattr(module_paths, "results_of", lambda *entry: ROOT)
    check_values(study, [])


def test_a_folder_in_place_of_weights(tmp_path):
    models = imported(kind="resnet")
    models["foreign"]["weights"] = {"path": str(tmp_path)}
    with pytest.raises(StudyError, match=r"^models\.foreign\.weights\.path: .* is a folder: name"):
        check_files(study_with(models=models))


def test_what_needs_files_or_images_waits_for_its_job():
    frost = {"kind": "corrupt", "corruption": {"kind": "frost", "severity": 1, "pictures": "/no"}}
    check_values(study_with(frost), [])


@pytest.mark.parametrize(
    ("folder", "said"),
    [
        ({"download": "cifar"}, "did you mean 'cifar10'"),
        ({"download": "imagenet"}, "https://image-net.org"),
        ({"download": "../../x"}, "unknown image set to download"),
        ({"download": "imagenet_c", "only": "nois.tar"}, "did you mean 'noise.tar'"),
    ],
    ids=lambda value: str(value),
)
def test_downloads_that_cannot_be_are_told(folder, said):
    images = TINY["images"] | {"photos": {"kind": "imagefolder", "path": "{here}"}}
    study = study_with(folders={"here": folder}, images=images)
    with pytest.raises(StudyError, match=r"^folders\.here: ") as caught:
        check_values(study, [])
    assert said in str(caught.value)


def test_a_missing_set_is_asked_for_with_its_address():
    entry = {"kind": "imagenet", "path": "/nowhere", "split": "val"}
    study = study_with(images=TINY["images"] | {"photos": entry})
    with pytest.raises(StudyError, match=r"/nowhere does not exist.*https://image-net.org"):
        check_files(study)


def test_a_key_that_stands_twice_is_told_with_its_line(tmp_path):
    path = tmp_path / "study.yaml"
    path.write_text("a: &one {b: 1}\nc:\n  <<: *one\n  <<: *one\n  d: 1\n  d: 2\n")
    with pytest.raises(StudyError, match=r"line 6: the key 'd' stands twice"):
        check_values(study_with(), [path])
    path.write_text("a: {b: 1}\nc: {b: 1}\n")
    check_values(study_with(), [path])
