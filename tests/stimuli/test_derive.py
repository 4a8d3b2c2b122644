"""A stored image set and one that is derived on the fly contain the same images."""

import io

import numpy as np
import pytest
import torch
from PIL import Image

from shapebias.behaviour.predict import predict
from shapebias.io.image_sets import ResizeCrop, read_columns, read_rows, stack, write_images
from shapebias.plugins import build, kinds
from shapebias.runtime.batches import batches
from shapebias.stimuli.derive import build_transform, derive, encode, rows_of
from shapebias.stimuli.ingest import rejected_images
from shapebias.stimuli.segmenter import save_segmenter
from shapebias.stimuli.stylizers._vgg import draw_vgg19, vgg19
from tests.stimuli.test_stylizer_networks import random_decoder

SIDE = 16
SEED = 3
PARTS = 3
LABELS = ("cat", "dog")
# Entries of a study for every kind of transform and of nested plug-in.
ENTRIES = {
    "scramble": {"kind": "scramble", "patches": 4},
    "noise": {"kind": "noise", "sd": 0.08},
    "saturate": {"kind": "saturate", "level": 8.0},
    "blur": {"kind": "blur", "sigma": 1.5},
    "median": {"kind": "median", "size": 3, "repeats": 2},
    "reverse": {"kind": "reverse"},
    "fourier": {"kind": "fourier", "inner": 1.0, "outer": 5.0},
    "black_and_white": {"kind": "black_and_white"},
    "silhouette": {"kind": "silhouette", "segmenter": "deeplab", "min_coverage": 0.2},
    "corrupt": {"kind": "corrupt", "corruption": {"kind": "glass_blur", "severity": 2}},
    "stylize, filter_statistics": {"stylizer": {"kind": "filter_statistics", "scales": 2}},
    "stylize, adain": {"stylizer": {"kind": "adain"}},
    "stylize, gatys": {"stylizer": {"kind": "gatys", "steps": 2, "start": "noise"}},
}
SET = "derived_set"


def photo(number: int) -> bytes:
    """JPEG that has to be resized and cropped."""
    coarse = np.random.default_rng(number).integers(0, 256, (6, 7, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(coarse).resize((35, 30), Image.Resampling.BICUBIC).save(file, "JPEG")
    return file.getvalue()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Source images in parts, styles, a segmenter, and the networks of a stylizer."""
    folder = tmp_path_factory.mktemp("sets")
    rows = [
        {"image_id": f"image-{number}", "image": photo(number), "label": LABELS[number % 2]}
        for number in range(7)
    ]
    for part in range(PARTS):
        sizing = ResizeCrop(resize=20, crop=SIDE)
        write_images(rows[part::PARTS], folder / f"source-{part}.parquet", sizing=sizing)
    styles = [{"image_id": f"style-{n}", "image": photo(100 + n), "label": None} for n in range(3)]
    write_images(styles, folder / "styles.parquet", sizing=ResizeCrop(resize=SIDE, crop=SIDE))
    torch.manual_seed(0)
    settings = {"kind": "deeplab", "width": 4}
    classes = ["background", *LABELS]
    network = build("segmenters", classes=classes, **settings).eval()
    balance(network, sources(folder))
    save_segmenter(
        network, folder / "segmenter.safetensors", architecture=settings, classes=classes
    )
    encoder = draw_vgg19(vgg19("relu4_1", padding="reflect"), seed=0)
    torch.save(encoder.state_dict(), folder / "encoder.pth")
    torch.save(random_decoder(), folder / "decoder.pth")
    return folder


@torch.no_grad()
def balance(network, paths):
    """Equalise the mean scores of the classes, so that untrained masks cover a part of an image."""
    images = torch.from_numpy(stack(read_rows(paths))).float() / 255
    network.scores.bias -= network(images).mean((0, 2, 3))


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(1)
    settings = {"kind": "resnet", "depth": 18, "width": 0.125, "stem": "small"}
    return build("architectures", classes=[*LABELS, "bird"], input_size=SIDE, **settings).eval()


@pytest.fixture(params=ENTRIES)
def entry(request, folder):
    """Transform of a study, and the files that the workflow adds."""
    entry, files = dict(ENTRIES[request.param]), {}
    if "stylizer" in entry:
        entry |= {"kind": "stylize", "styles": "paintings"}
        files["styles"] = [folder / "styles.parquet"]
        if entry["stylizer"]["kind"] == "adain":
            weights = {name: str(folder / f"{name}.pth") for name in ("encoder", "decoder")}
            entry["stylizer"] = entry["stylizer"] | weights
    if "segmenter" in entry:
        files["segmenter"] = [folder / "segmenter.safetensors"]
    return entry, files


def sources(folder):
    return [folder / f"source-{part}.parquet" for part in range(PARTS)]


def stored(folder, tmp_path, entry, files):
    """Write the parts of the derived set separately, as the jobs of the workflow do."""
    paths = []
    for part, source in enumerate(sources(folder)):
        rows = derive(
            read_rows([source]), build_transform(entry, **files), seed=SEED, image_set=SET
        )
        paths.append(tmp_path / f"part-{part}.parquet")
        write_images(encode(rows), paths[-1], sizing=ResizeCrop())
    return paths


def derived(paths, entry, files):
    return rows_of(paths, transform=entry, seed=SEED, image_set=SET, **files)


def test_there_is_an_entry_for_every_kind():
    entries = [entry.get("kind", "stylize") for entry in ENTRIES.values()]
    assert set(entries) == set(kinds("transforms")), "add the new transform to ENTRIES"
    stylizers = [entry["stylizer"]["kind"] for entry in ENTRIES.values() if "stylizer" in entry]
    assert set(stylizers) == set(kinds("stylizers")), "add the new stylizer to ENTRIES"


def test_stored_and_unstored_images_are_the_same(folder, tmp_path, entry):
    paths = stored(folder, tmp_path, *entry)
    before = list(rows_of(paths, transform=None, seed=SEED, image_set=SET))
    rows = list(derived(sources(folder), *entry))
    assert [row["image_id"] for row in rows] == [row["image_id"] for row in before]
    assert [row["label"] for row in rows] == [row["label"] for row in before]
    assert rows and all(
        np.array_equal(row["pixels"], stored_row["pixels"])
        for row, stored_row in zip(rows, before, strict=True)
    )
    for name in rows[0]["drawn"]:
        drawn = [value for path in paths for value in read_columns(path, [name])[name]]
        assert drawn == [row["drawn"][name] for row in rows]
    source = {row["image_id"]: row["pixels"] for row in read_rows(sources(folder))}
    assert any(not np.array_equal(row["pixels"], source[row["image_id"]]) for row in rows)


def test_an_image_does_not_depend_on_part_order_and_neighbours(folder, entry):
    entry, files = entry
    expected = {row["image_id"]: row for row in derived(sources(folder), entry, files)}
    by_part = [row for path in sources(folder) for row in derived([path], entry, files)]
    transform = build_transform(entry, **files)
    backwards = reversed(list(read_rows(sources(folder))))
    rows = list(derive(backwards, transform, seed=SEED, image_set=SET))
    backwards = [row for row in rows if row["pixels"] is not None]
    for others in (by_part, backwards):
        assert {row["image_id"] for row in others} == expected.keys()
        for row in others:
            assert np.array_equal(row["pixels"], expected[row["image_id"]]["pixels"])
            assert row["drawn"] == expected[row["image_id"]]["drawn"]


def test_predictions_are_the_same(folder, tmp_path, entry, model):
    rows = rows_of(stored(folder, tmp_path, *entry), transform=None, seed=SEED, image_set=SET)
    before = predict(model, batches(rows, size=4))
    predictions = predict(model, batches(derived(sources(folder), *entry), size=4))
    assert predictions.equals(before) and len(predictions) > 1


@pytest.mark.parametrize("kind", ["scramble", "noise"])
def test_images_depend_on_seed_and_image_set(folder, kind):
    def pixels(**changes):
        settings = {"seed": SEED, "image_set": SET, **changes}
        rows = rows_of(sources(folder), transform=ENTRIES[kind], **settings)
        return np.stack([row["pixels"] for row in rows])

    assert np.array_equal(pixels(), pixels())
    assert not np.array_equal(pixels(), pixels(seed=SEED + 1))
    assert not np.array_equal(pixels(), pixels(image_set="another"))


def test_images_without_a_silhouette_are_listed_with_their_coverage(tmp_path):
    coverages = {"empty": 0, "half": 8, "full": 16}
    rows = []
    for image_id, columns in coverages.items():
        pixels = np.zeros((16, 16, 3), np.uint8)
        pixels[:, :columns] = 255
        rows.append({"image_id": image_id, "pixels": pixels, "label": "cat"})

    def bright(pixels):
        return (pixels[..., 0] > 128).astype(int)

    bright.classes, bright.source = ("background", "cat"), "brightness"
    transform = build("transforms", kind="silhouette", segmenter=bright)
    path = tmp_path / "part.parquet"
    write_images(encode(derive(rows, transform, seed=0, image_set="s")), path, sizing=ResizeCrop())
    table = rejected_images({"s": [path]})
    assert list(read_columns(path, ["image_id"])["image_id"]) == ["half"]
    assert table["image_id"].tolist() == ["empty", "full"]
    assert "coverage 0.0" in table["reason"][0] and "coverage 1.0" in table["reason"][1]
