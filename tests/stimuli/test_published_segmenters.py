"""Published segmenters: their files' names and shapes, their arithmetic, their 16 classes."""

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
    grouped,
    import_segmenter,
)
from shapebias.torchvision_import import torchvision
from tests.conftest import ROOT

SIXTEEN = sorted(set(imagenet_16().values()))
STAGES = {2: (3, 64, 256), 3: (4, 256, 512), 4: (23, 512, 1024), 5: (3, 1024, 2048)}
MINE = {"kind": "deeplabv2"}


def convolution(name, outputs, inputs, size):
    return {
        f"{name}.conv.weight": (outputs, inputs, size, size),
        **{f"{name}.bn.{part}": (outputs,) for part in ("weight", "bias")},
        **{f"{name}.bn.running_{part}": (outputs,) for part in ("mean", "var")},
    }


def public_shapes() -> dict[str, tuple[int, ...]]:
    """Entries of the public COCO-Stuff checkpoint, written out from its network's definition."""
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
    """Random weights under the names of the public file, without batch norm's counters."""
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
    return import_segmenter(MINE, file)


def own_scores(weights, images):
    """DeepLab-v2 by plain operations on the checkpoint's entries, up to its 182 scores."""

    def unit(name, seen, **shape):
        name = f"base.{name}"
        seen = conv2d(seen, weights[f"{name}.conv.weight"], **shape)
        statistics = [
            weights[f"{name}.bn.{part}"]
            for part in ("running_mean", "running_var", "weight", "bias")
        ]
        return batch_norm(seen, *statistics, eps=1e-5)

    mean = torch.tensor([122.675, 116.669, 104.008])[:, None, None]
    seen = (255 * images - mean)[:, [2, 1, 0]]
    seen = unit("layer1.conv1", seen, stride=2, padding=3).relu()
    seen = max_pool2d(seen, 3, 2, 1, ceil_mode=True)
    for layer, (blocks, *_) in STAGES.items():
        wide = {2: 1, 3: 1, 4: 2, 5: 4}[layer]
        for block in range(1, blocks + 1):
            name = f"layer{layer}.block{block}"
            step = 2 if (layer, block) == (3, 1) else 1
            inner = unit(f"{name}.reduce", seen, stride=step).relu()
            inner = unit(f"{name}.conv3x3", inner, padding=wide, dilation=wide).relu()
            inner = unit(f"{name}.increase", inner)
            seen = unit(f"{name}.shortcut", seen, stride=step) if block == 1 else seen
            seen = (inner + seen).relu()
    return sum(
        conv2d(
            seen,
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
    found = build("segmenters", **MINE).network.state_dict()
    shapes = {
        name: tuple(value.shape)
        for name, value in found.items()
        if not name.endswith("num_batches_tracked")
    }
    assert shapes == public_shapes()


@torch.no_grad()
def test_deeplabv2_gives_the_public_networks_scores(checkpoint, imported):
    network, _ = imported
    images = torch.rand(2, 3, 65, 49, generator=torch.Generator().manual_seed(1))
    expected = own_scores(checkpoint, images)
    found = network.scores(network.prepared(images))
    assert found.shape == expected.shape == (2, 182, 9, 7)
    assert torch.allclose(found, expected, rtol=1e-3, atol=1e-3 * float(expected.abs().max()))
    assert expected.std() > 0.1


@torch.no_grad()
def test_masks_are_those_of_the_fine_classes_brought_to_the_sixteen(checkpoint, imported):
    network, classes = imported
    images = torch.rand(1, 3, 40, 56, generator=torch.Generator().manual_seed(2))
    fine = interpolate(own_scores(checkpoint, images), (40, 56), mode="bilinear").argmax(1)
    levels = [row["entry_level"] for row in table("coco_stuff_classes.csv")]
    expected = [classes.index(levels[number] or "background") for number in fine.flatten()]
    found = network(images).argmax(1).flatten()
    assert np.mean(found.numpy() == np.array(expected)) > 0.999
    assert network(images).shape == (1, 17, 40, 56)


def test_the_tables_are_in_their_networks_order():
    coco, voc = table("coco_stuff_classes.csv"), table("voc_classes.csv")
    assert [int(row["index"]) for row in coco] == list(range(182))
    # One less than COCO's own numbers, which leave eleven out.
    numbers = {"person": 1, "bear": 23, "bottle": 44, "chair": 62, "oven": 79, "clock": 85}
    assert {name: 1 + [row["name"] for row in coco].index(name) for name in numbers} == numbers
    assert coco[91]["name"] == "banner" and coco[181]["name"] == "wood"
    assert sorted(row["entry_level"] for row in coco if row["entry_level"]) == SIXTEEN
    theirs = torchvision.models.segmentation.DeepLabV3_ResNet50_Weights.DEFAULT.meta["categories"]
    assert [row["name"] for row in voc] == ["background", *theirs[1:]]
    assert len({row["entry_level"] for row in voc} - {""}) == 9


def test_the_mask_of_a_class_is_the_union_of_its_parts():
    class Fixed(PublishedSegmenter):
        def __init__(self):
            super().__init__(
                torch.nn.Identity(), table="voc_classes.csv", classes=None, short_side=None
            )
            levels = ["", "cat", "dog", "cat", ""]
            self.classes, self.groups = grouped(levels, ["background", "dog", "cat"])

        def prepared(self, images):
            return images

        def scores(self, prepared):
            return torch.eye(5)[None, :, None, :].expand(1, 5, 3, 5)

    model = Fixed()
    assert model(torch.rand(1, 3, 3, 5)).argmax(1)[0].tolist() == [[0, 2, 1, 2, 0]] * 3
    assert model.groups == [[0, 4], [2], [1, 3]]


def test_a_choice_of_classes_leaves_the_others_to_the_background():
    classes, groups = grouped(entry_levels("voc_classes.csv"), ["background", "dog", "bird"])
    assert classes == ["background", "dog", "bird"] and groups[1:] == [[12], [3]]
    assert sorted(number for group in groups for number in group) == list(range(21))
    with pytest.raises(UnknownName, match="unknown class of the segmenter: 'oven'"):
        grouped(entry_levels("voc_classes.csv"), ["background", "oven"])
    for wrong in (["dog"], ["background", "dog", "dog"], []):
        with pytest.raises(ShapebiasError, match='start with "background"'):
            grouped(entry_levels("voc_classes.csv"), wrong)


def test_an_imported_segmenter_makes_silhouettes_that_name_their_source(
    imported, file, tmp_path, monkeypatch
):
    # Masks are compared exactly, so on the processor also where there is a graphics card.
    monkeypatch.setattr("shapebias.stimuli.segmenter.device", lambda: torch.device("cpu"))
    network, classes = imported
    assert classes == ["background", *SIXTEEN]
    path = tmp_path / "segmenter.safetensors"
    save_segmenter(network, path, architecture=MINE, classes=classes, source=file.name)
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
def test_deeplabv3_is_torchvisions(backbone, tmp_path):
    torch.manual_seed(0)
    make = getattr(torchvision.models.segmentation, f"deeplabv3_{backbone}")
    theirs = make(weights=None, weights_backbone=None, num_classes=21, aux_loss=True).eval()
    torch.save(theirs.state_dict(), tmp_path / "deeplabv3_coco.pth")
    settings = {"kind": "deeplabv3", "backbone": backbone, "short_side": 64}
    network, classes = import_segmenter(settings, tmp_path / "deeplabv3_coco.pth")
    assert classes == ["background", *(name for name in SIXTEEN if name in classes)]
    assert len(classes) == 10
    images = torch.rand(1, 3, 32, 48, generator=torch.Generator().manual_seed(0))
    large = interpolate(images, (64, 96), mode="bilinear", antialias=True)
    mean = torch.tensor([0.485, 0.456, 0.406])[:, None, None]
    std = torch.tensor([0.229, 0.224, 0.225])[:, None, None]
    fine = interpolate(theirs((large - mean) / std)["out"], (32, 48), mode="bilinear")
    rows = table("voc_classes.csv")
    found = network(images)
    for number, name in enumerate(classes[1:], start=1):
        own = next(int(row["index"]) for row in rows if row["entry_level"] == name)
        assert torch.allclose(found[:, number], fine[:, own], atol=1e-4)
    rest = [int(row["index"]) for row in rows if not row["entry_level"]]
    assert torch.allclose(found[:, 0], fine[:, rest].amax(1), atol=1e-4)


def test_what_cannot_be_imported_is_refused_in_one_line(file, tmp_path):
    torch.save({"base.layer1.conv1.conv.weight": torch.zeros(64, 3, 7, 7)}, tmp_path / "half.pth")
    for settings, path, message in (
        ({"kind": "deeplabv3"}, file, "is of another network than DeepLabV3"),
        (
            MINE,
            tmp_path / "half.pth",
            "is of another network than DilatedResNet101.*missing layer1",
        ),
        (MINE, tmp_path / "absent.pth", "do not exist: download them"),
        (
            {"kind": "deeplabv3", "backbone": "resnet18"},
            file,
            "unknown backbone of segmenters",
        ),
        ({**MINE, "short_side": 0}, file, "short_side: 0 is not at least 32"),
        ({"kind": "deeplab", "classes": ["background", "cat"]}, file, "has no published weights"),
    ):
        with pytest.raises(ShapebiasError, match=message) as caught:
            import_segmenter(settings, path)
        assert "\n" not in str(caught.value)


class Everything:
    """Segmenter that sees a dog on the left half of every image."""

    classes = ("background", "bird", "dog")
    source = "stand-in"

    def __call__(self, pixels):
        return np.where(np.arange(pixels.shape[1]) < pixels.shape[1] // 2, 2, 0)[None].repeat(
            len(pixels), axis=0
        )


def test_wordnet_ids_become_their_entry_level_class():
    pixels = np.zeros((8, 8, 3), np.uint8)
    settings = {"segmenter": Everything(), "entry_level": "imagenet_16"}
    strict = build("transforms", kind="silhouette", **settings)
    mild = build("transforms", kind="silhouette", unknown="leave_out", **settings)
    poodle, tench, oven = "n02113799", "n01440764", "n04111531"
    assert imagenet_16()[poodle] == "dog" and imagenet_16()[oven] == "oven"
    for label in (poodle, "dog"):
        shape, drawn = strict(pixels, label=label)
        assert (shape[:, :4] == 0).all() and (shape[:, 4:] == 255).all()
        assert drawn["coverage"] == 0.5
    for label in (tench, oven, None):
        with pytest.raises(UnknownName, match=r"known: bird, dog"):
            strict(pixels, label=label)
        assert mild(pixels, label=label) == (
            None,
            {"coverage": 0.0, "mask_source": "stand-in"},
        )
