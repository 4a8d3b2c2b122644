"""Published segmenters: names and shapes of their weights, their scores, their 16 classes."""

import csv

import numpy as np
import pytest
import torch
from torch.nn.functional import batch_norm, conv2d, interpolate, max_pool2d

from shapebias.errors import ShapebiasError, UnknownName
from shapebias.plugins import build
from shapebias.stimuli.entry_level_classes import imagenet_16
from shapebias.stimuli.segmenter import Segmenter, load_segmenter, save_segmenter
from shapebias.stimuli.segmenters._published import (
    PublishedSegmenter,
    entry_levels,
    group_classes,
    import_segmenter,
)
from shapebias.torchvision_import import torchvision
from tests.conftest import ROOT

SIXTEEN = sorted(set(imagenet_16().values()))
STAGES = {2: (3, 64, 256), 3: (4, 256, 512), 4: (23, 512, 1024), 5: (3, 1024, 2048)}
DEEPLABV2 = {"kind": "deeplabv2"}


def convolution(name, outputs, inputs, size):
    return {
        f"{name}.conv.weight": (outputs, inputs, size, size),
        **{f"{name}.bn.{part}": (outputs,) for part in ("weight", "bias")},
        **{f"{name}.bn.running_{part}": (outputs,) for part in ("mean", "var")},
    }


def public_shapes() -> dict[str, tuple[int, ...]]:
    """Shapes in the public COCO-Stuff checkpoint, from the definition of its network."""
    shapes = convolution("layer1.conv1", 64, 3, 7)
    for layer, (blocks, inputs, outputs) in STAGES.items():
        for block in range(1, blocks + 1):
            name = f"layer{layer}.block{block}"
            first = inputs if block == 1 else outputs
            shapes |= convolution(f"{name}.reduce", outputs // 4, first, 1)
            shapes |= convolution(f"{name}.conv3x3", outputs // 4, outputs // 4, 3)
            shapes |= convolution(f"{name}.increase", outputs, outputs // 4, 1)
            if block == 1:
                shapes |= convolution(f"{name}.shortcut", outputs, first, 1)
    for view in range(4):
        shapes |= {f"aspp.c{view}.weight": (182, 2048, 3, 3), f"aspp.c{view}.bias": (182,)}
    return shapes


@pytest.fixture(scope="module")
def checkpoint() -> dict[str, torch.Tensor]:
    """Random weights under the names of the public file, without counters of batch norm."""
    generator = torch.Generator().manual_seed(0)
    weights = {}
    for name, shape in public_shapes().items():
        values = torch.randn(shape, generator=generator)
        if len(shape) == 4:
            values *= (1 / values[0].numel()) ** 0.5
        elif name.endswith(("running_var", "bn.weight")):
            values = 0.7 + values.abs() / 10
        else:
            values = values / 10
        weights[f"base.{name}"] = values
    return weights


@pytest.fixture(scope="module")
def file(checkpoint, tmp_path_factory):
    path = tmp_path_factory.mktemp("deeplab") / "deeplabv2_resnet101_msc-cocostuff164k.pth"
    torch.save(checkpoint, path)
    return path


@pytest.fixture(scope="module")
def imported(file):
    return import_segmenter(DEEPLABV2, file)


def reference_scores(weights, images):
    """Compute the 182 scores of DeepLab-v2 by plain operations on the checkpoint's tensors."""

    def unit(name, maps, **shape):
        name = f"base.{name}"
        maps = conv2d(maps, weights[f"{name}.conv.weight"], **shape)
        statistics = [
            weights[f"{name}.bn.{part}"]
            for part in ("running_mean", "running_var", "weight", "bias")
        ]
        return batch_norm(maps, *statistics, eps=1e-5)

    mean = torch.tensor([122.675, 116.669, 104.008])[:, None, None]
    maps = (255 * images - mean)[:, [2, 1, 0]]
    maps = unit("layer1.conv1", maps, stride=2, padding=3).relu()
    maps = max_pool2d(maps, 3, 2, 1, ceil_mode=True)
    for layer, (blocks, *_) in STAGES.items():
        rate = {2: 1, 3: 1, 4: 2, 5: 4}[layer]
        for block in range(1, blocks + 1):
            name = f"layer{layer}.block{block}"
            step = 2 if (layer, block) == (3, 1) else 1
            residual = unit(f"{name}.reduce", maps, stride=step).relu()
            residual = unit(f"{name}.conv3x3", residual, padding=rate, dilation=rate).relu()
            residual = unit(f"{name}.increase", residual)
            maps = unit(f"{name}.shortcut", maps, stride=step) if block == 1 else maps
            maps = (residual + maps).relu()
    return sum(
        conv2d(
            maps,
            weights[f"base.aspp.c{view}.weight"],
            weights[f"base.aspp.c{view}.bias"],
            padding=rate,
            dilation=rate,
        )
        for view, rate in enumerate((6, 12, 18, 24))
    )


def table(name):
    with (ROOT / "shapebias/data" / name).open() as file:
        return list(csv.DictReader(file))


def test_deeplabv2_has_the_public_names_and_shapes():
    weights = build("segmenters", **DEEPLABV2).network.state_dict()
    shapes = {
        name: tuple(value.shape)
        for name, value in weights.items()
        if not name.endswith("num_batches_tracked")
    }
    assert shapes == public_shapes()


@torch.no_grad()
def test_deeplabv2_computes_the_public_networks_scores(checkpoint, imported):
    network, _ = imported
    images = torch.rand(2, 3, 65, 49, generator=torch.Generator().manual_seed(1))
    expected = reference_scores(checkpoint, images)
    scores = network.scores(network.prepare(images))
    assert scores.shape == expected.shape == (2, 182, 9, 7)
    assert torch.allclose(scores, expected, rtol=1e-3, atol=1e-3 * float(expected.abs().max()))
    assert expected.std() > 0.1


@torch.no_grad()
def test_masks_are_those_of_the_fine_classes_mapped_to_the_sixteen(checkpoint, imported):
    network, classes = imported
    images = torch.rand(1, 3, 40, 56, generator=torch.Generator().manual_seed(2))
    fine = interpolate(reference_scores(checkpoint, images), (40, 56), mode="bilinear").argmax(1)
    levels = [row["entry_level"] for row in table("coco_stuff_classes.csv")]
    expected = [classes.index(levels[number] or "background") for number in fine.flatten()]
    labels = network(images).argmax(1).flatten()
    assert np.mean(labels.numpy() == np.array(expected)) > 0.999
    assert network(images).shape == (1, 17, 40, 56)


def test_the_tables_have_the_order_of_their_networks():
    coco, voc = table("coco_stuff_classes.csv"), table("voc_classes.csv")
    assert [int(row["index"]) for row in coco] == list(range(182))
    # COCO numbers its classes from 1 and skips eleven numbers.
    numbers = {"person": 1, "bear": 23, "bottle": 44, "chair": 62, "oven": 79, "clock": 85}
    assert {name: 1 + [row["name"] for row in coco].index(name) for name in numbers} == numbers
    assert coco[91]["name"] == "banner" and coco[181]["name"] == "wood"
    assert sorted(row["entry_level"] for row in coco if row["entry_level"]) == SIXTEEN
    weights = torchvision.models.segmentation.DeepLabV3_ResNet50_Weights.DEFAULT
    assert [row["name"] for row in voc] == ["background", *weights.meta["categories"][1:]]
    assert len({row["entry_level"] for row in voc} - {""}) == 9


def test_the_mask_of_a_class_is_the_union_of_its_parts():
    class Fixed(PublishedSegmenter):
        def __init__(self):
            super().__init__(
                torch.nn.Identity(), table="voc_classes.csv", classes=None, short_side=None
            )
            levels = ["", "cat", "dog", "cat", ""]
            self.classes, self.groups = group_classes(levels, ["background", "dog", "cat"])

        def prepare(self, images):
            return images

        def scores(self, prepared):
            return torch.eye(5)[None, :, None, :].expand(1, 5, 3, 5)

    model = Fixed()
    assert model(torch.rand(1, 3, 3, 5)).argmax(1)[0].tolist() == [[0, 2, 1, 2, 0]] * 3
    assert model.groups == [[0, 4], [2], [1, 3]]


def test_classes_that_are_not_selected_become_background():
    classes, groups = group_classes(entry_levels("voc_classes.csv"), ["background", "dog", "bird"])
    assert classes == ["background", "dog", "bird"] and groups[1:] == [[12], [3]]
    assert sorted(number for group in groups for number in group) == list(range(21))
    with pytest.raises(UnknownName, match="unknown class of the segmenter: 'oven'"):
        group_classes(entry_levels("voc_classes.csv"), ["background", "oven"])
    for classes in (["dog"], ["background", "dog", "dog"], []):
        with pytest.raises(ShapebiasError, match='start with "background"'):
            group_classes(entry_levels("voc_classes.csv"), classes)


def test_an_imported_segmenter_makes_silhouettes_that_name_their_source(
    imported, file, tmp_path, monkeypatch
):
    # Masks are compared exactly, so they are computed on the CPU also if there is a GPU.
    monkeypatch.setattr("shapebias.stimuli.segmenter.device", lambda: torch.device("cpu"))
    network, classes = imported
    assert classes == ["background", *SIXTEEN]
    path = tmp_path / "segmenter.safetensors"
    save_segmenter(network, path, architecture=DEEPLABV2, classes=classes, source=file.name)
    segmenter = load_segmenter(path)
    assert segmenter.classes == tuple(classes)
    pixels = np.random.default_rng(0).integers(0, 256, (33, 41, 3), dtype=np.uint8)
    labels = segmenter(pixels)
    assert np.array_equal(labels, Segmenter(network, classes)(pixels))
    label = classes[max(1, int(np.bincount(labels.ravel()).argmax()))]
    silhouette = build(
        "transforms", kind="silhouette", segmenter=segmenter, min_coverage=0.0, max_coverage=1.0
    )
    _, drawn = silhouette(pixels, label=label)
    assert drawn["coverage"] == (labels == classes.index(label)).mean()
    assert drawn["mask_source"] == f"deeplabv2, {file.name}"


@pytest.mark.parametrize("backbone", ["resnet50", "mobilenet_v3_large"])
@torch.no_grad()
def test_deeplabv3_computes_torchvisions_scores(backbone, tmp_path):
    torch.manual_seed(0)
    make = getattr(torchvision.models.segmentation, f"deeplabv3_{backbone}")
    reference = make(weights=None, weights_backbone=None, num_classes=21, aux_loss=True).eval()
    torch.save(reference.state_dict(), tmp_path / "deeplabv3_coco.pth")
    settings = {"kind": "deeplabv3", "backbone": backbone, "short_side": 64}
    network, classes = import_segmenter(settings, tmp_path / "deeplabv3_coco.pth")
    assert classes == ["background", *(name for name in SIXTEEN if name in classes)]
    assert len(classes) == 10
    images = torch.rand(1, 3, 32, 48, generator=torch.Generator().manual_seed(0))
    large = interpolate(images, (64, 96), mode="bilinear", antialias=True)
    mean = torch.tensor([0.485, 0.456, 0.406])[:, None, None]
    std = torch.tensor([0.229, 0.224, 0.225])[:, None, None]
    fine = interpolate(reference((large - mean) / std)["out"], (32, 48), mode="bilinear")
    rows = table("voc_classes.csv")
    scores = network(images)
    for number, name in enumerate(classes[1:], start=1):
        index = next(int(row["index"]) for row in rows if row["entry_level"] == name)
        assert torch.allclose(scores[:, number], fine[:, index], atol=1e-4)
    background = [int(row["index"]) for row in rows if not row["entry_level"]]
    assert torch.allclose(scores[:, 0], fine[:, background].amax(1), atol=1e-4)


def test_files_and_settings_that_do_not_match_are_rejected_in_one_line(file, tmp_path):
    torch.save({"base.layer1.conv1.conv.weight": torch.zeros(64, 3, 7, 7)}, tmp_path / "half.pth")
    for settings, path, message in (
        ({"kind": "deeplabv3"}, file, "is of another network than DeepLabV3"),
        (
            DEEPLABV2,
            tmp_path / "half.pth",
            "is of another network than DilatedResNet101.*missing layer1",
        ),
        (DEEPLABV2, tmp_path / "absent.pth", "do not exist: download them"),
        (
            {"kind": "deeplabv3", "backbone": "resnet18"},
            file,
            "unknown backbone of segmenters",
        ),
        ({**DEEPLABV2, "short_side": 0}, file, "short_side: 0 is not at least 32"),
        ({"kind": "deeplab", "classes": ["background", "cat"]}, file, "has no published weights"),
    ):
        with pytest.raises(ShapebiasError, match=message) as error:
            import_segmenter(settings, path)
        assert "\n" not in str(error.value)


class LeftDog:
    """Segmenter that labels the left half of every image as a dog."""

    classes = ("background", "bird", "dog")
    source = "stand-in"

    def __call__(self, pixels):
        return np.where(np.arange(pixels.shape[1]) < pixels.shape[1] // 2, 2, 0)[None].repeat(
            len(pixels), axis=0
        )


def test_wordnet_ids_are_mapped_to_their_entry_level_class():
    pixels = np.zeros((8, 8, 3), np.uint8)
    settings = {"segmenter": LeftDog(), "entry_level": "imagenet_16"}
    strict = build("transforms", kind="silhouette", **settings)
    lenient = build("transforms", kind="silhouette", unknown="leave_out", **settings)
    poodle, tench, oven = "n02113799", "n01440764", "n04111531"
    assert imagenet_16()[poodle] == "dog" and imagenet_16()[oven] == "oven"
    for label in (poodle, "dog"):
        shape, drawn = strict(pixels, label=label)
        assert (shape[:, :4] == 0).all() and (shape[:, 4:] == 255).all()
        assert drawn["coverage"] == 0.5
    for label in (tench, oven, None):
        with pytest.raises(UnknownName, match=r"known: bird, dog"):
            strict(pixels, label=label)
        assert lenient(pixels, label=label) == (
            None,
            {"coverage": 0.0, "mask_source": "stand-in"},
        )
