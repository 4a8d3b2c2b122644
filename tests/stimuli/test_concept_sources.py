import io
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from shapebias.dissection.concept_batches import concept_batches
from shapebias.errors import ShapebiasError
from shapebias.io.concept_sets import concept_names
from shapebias.io.image_codec import encode_png, resize_crop_box
from shapebias.io.image_sets import ResizeCrop, read_rows, rejected_in
from shapebias.io.label_maps import crop_label_map, decode_map
from shapebias.plugins import build
from shapebias.stimuli.ingest import ingest_concepts, rejected_images
from tests.helpers.dataset_layouts import file_of, label_png, picture, put

AS_IT_IS = ResizeCrop()
CAMVID = ["sky", "building", "pole", "road", "pavement", "tree", "sign", "fence"]
CAMVID += ["car", "pedestrian", "bicyclist"]


def source(kind, path, **settings):
    return build("datasets", kind=kind, path=str(path), **settings)


def stored(one, path, *, parts=1, sizing=AS_IT_IS, max_rejected=0.0):
    """Rows as the dissection reads them, after the way to disk and back."""
    paths = [path / f"part-{part}.parquet" for part in range(parts)]
    for part, file in enumerate(paths):
        ingest_concepts(
            one,
            file,
            part=part,
            parts=parts,
            sizing=sizing or ResizeCrop(),
            max_rejected=max_rejected,
        )
    return list(read_rows(paths)), paths


def numbers(layer):
    return decode_map(layer["bytes"]).tolist()


@pytest.fixture
def broden(tmp_path):
    """Five images; label 300 is an object in little of the images, and a part in more."""
    folder = tmp_path / "broden1_224"
    put(folder, "category.csv", b"name,first,last,count,frequency\ncolor,1,1,1,2\n"
        b"object,2,300,2,3\npart,3,300,2,2\nscene,4,4,1,1\n")  # fmt: skip
    put(folder, "label.csv", b"number,name,category,frequency,coverage,syns\n"
        b"1,red-c,color(2),2,1,\n2,car,object(2),2,0.5,auto;automobile\n3,wheel,part(1),1,0.1,\n4,street,scene(1),1,1,\n"
        b"300,\"door, double\",part(2);object(1),3,0.7,\n")  # fmt: skip
    head = b"code,number,name,frequency,coverage\n"
    put(folder, "c_color.csv", head + b"1,1,red-c,2,1.000000\n")
    put(folder, "c_object.csv", head + b"1,2,car,2,0.5\n2,300,door,1,0.20\n")
    put(folder, "c_part.csv", head + b"1,300,door,2,0.5\n2,3,wheel,1,0.1\n")
    put(folder, "c_scene.csv", head + b"1,4,street,1,1.0\n")
    put(folder, "index.csv", b"image,split,ih,iw,sh,sw,color,object,part,scene\n"
        b"ade/2.jpg,train,4,6,2,3,ade/2_color.png,ade/2_object.png,ade/2_p0.png;ade/2_p1.png,4;\n"
        b"ade/1.jpg,val,4,6,2,3,,ade/1_object.png,,\n"
        b"dtd/1.jpg,train,4,6,2,3,dtd/1_color.png,,,\n"
        b"dtd/2.jpg,train,4,6,2,3,,,,\n"
        b"ade/3.jpg,train,4,6,2,3,,0,,4\n")  # fmt: skip
    maps = {
        "ade/2_color.png": [[1, 1, 0], [0, 0, 0]],
        "ade/2_object.png": [[2, 2, 300], [0, 0, 0]],
        "ade/2_p0.png": [[3, 3, 3], [0, 0, 0]],
        "ade/2_p1.png": [[0, 300, 0], [0, 0, 300]],
        "ade/1_object.png": [[300, 0, 0], [0, 0, 2]],
        "dtd/1_color.png": [[1, 1, 1], [1, 1, 1]],
    }
    for name, labels in maps.items():
        put(folder, f"images/{name}", label_png(labels))
    for number, name in enumerate(["ade/1", "ade/2", "ade/3", "dtd/1", "dtd/2"]):
        put(folder, f"images/{name}.jpg", encode_png(picture(number, 4, 6)))
    return folder, maps


def test_broden_gives_maps_layers_and_whole_image_labels(broden, tmp_path):
    folder, maps = broden
    rows, paths = stored(source("broden", folder), tmp_path, parts=2)
    assert [row["image_id"] for row in rows] == ["ade/2.jpg", "ade/1.jpg", "dtd/1.jpg", "ade/3.jpg"]
    first = rows[0]
    assert [(layer["category"], numbers(layer)) for layer in first["maps"]] == [
        ("color", maps["ade/2_color.png"]),
        ("object", maps["ade/2_object.png"]),
        ("part", maps["ade/2_p0.png"]),
        ("part", maps["ade/2_p1.png"]),
    ]
    assert first["labels"] == [{"category": "scene", "number": 4}]
    assert rows[3]["maps"] == [] and rows[3]["labels"] == [{"category": "scene", "number": 4}]
    assert np.array_equal(first["pixels"], picture(1, 4, 6))
    assert concept_names(paths[0]) == [
        (1, "red-c", "color"),
        (2, "car", "object"),
        (3, "wheel", "part"),
        (4, "street", "scene"),
        (300, "door, double", "part"),
    ]


def test_broden_of_some_categories_drops_images_that_have_none(broden, tmp_path):
    folder, _ = broden
    objects = source("broden", folder, categories=["object"])
    rows, _ = stored(objects, tmp_path)
    assert [row["image_id"] for row in rows] == ["ade/2.jpg", "ade/1.jpg"]
    assert {layer["category"] for row in rows for layer in row["maps"]} == {"object"}
    # Of the chosen categories only, the door is an object.
    assert objects.concepts == [(2, "car", "object"), (300, "door, double", "object")]
    assert len(source("broden", folder, categories=["scene", "color"])) == 3


def test_broden_by_split(broden):
    folder, _ = broden
    assert [r["image_id"] for r in source("broden", folder, split="val").rows(0, 1)] == [
        "ade/1.jpg"
    ]
    assert len(source("broden", folder, split="train")) == 3
    with pytest.raises(ShapebiasError, match=r"unknown split .*known: train, val"):
        len(source("broden", folder, split="test"))


def test_broden_can_be_dissected(broden, tmp_path):
    folder, maps = broden
    rows, _ = stored(source("broden", folder), tmp_path)
    (batch,) = concept_batches(rows, size=8)
    assert batch.mask_size() == (2, 3)
    assert [layer[0].tolist() for layer in batch.maps["part"]] == [
        maps["ade/2_p0.png"],
        maps["ade/2_p1.png"],
    ]
    assert batch.labels == [[("scene", 4)], [], [], [("scene", 4)]]


@pytest.mark.parametrize(
    ("file", "data", "reason"),
    [
        ("ade/1_object.png", None, "there is no such file"),
        ("ade/1_object.png", b"\x89PNG\r\n\x1a\n", "not a readable PNG"),
        ("ade/1_object.png", label_png([[1, 2]]), "2×1 pixels, but 3×2 by the index"),
        ("ade/1_object.png", file_of(picture()[..., 0]), "need red and green"),
        ("ade/1.jpg", b"\xff\xd8", "not a readable image"),
        ("ade/1.jpg", None, "cannot be read: No such file"),
    ],
)
def test_an_image_whose_files_are_bad_is_refused_by_name(broden, tmp_path, file, data, reason):
    folder, _ = broden
    path = folder / "images" / file
    path.unlink() if data is None else path.write_bytes(data)
    rows, paths = stored(source("broden", folder), tmp_path, max_rejected=0.5)
    assert "ade/1.jpg" not in [row["image_id"] for row in rows] and len(rows) == 3
    (refused,) = rejected_images({"scenes": paths}).to_dict("records")
    assert (refused["image_set"], refused["image_id"]) == ("scenes", "ade/1.jpg")
    assert reason in refused["reason"] and str(tmp_path) not in refused["reason"]


@pytest.mark.parametrize(
    ("file", "data", "message"),
    [
        ("index.csv", b"image,split,ih,iw\n", "unknown column of .*index.csv: 'sh'"),
        ("index.csv", b"image,split,ih,iw,sh,sw,color,object,part,scene\na,b,1,1,x,2,1,,,\n",
         "'x' is not a number"),
        ("label.csv", b"number,name\n1,red-c\n", "does not name label"),
        ("c_object.csv", b"code,number,coverage\n1,2,much\n", "'much' is not a number"),
        ("c_part.csv", None, "cannot read .*c_part.csv of Broden"),
        ("category.csv", b"\xff\xfe", "cannot read .*category.csv"),
    ],
)  # fmt: skip
def test_a_damaged_table_of_broden_is_named(broden, file, data, message):
    folder, _ = broden
    (folder / file).unlink() if data is None else (folder / file).write_bytes(data)
    with pytest.raises(ShapebiasError, match=message) as error:
        one = source("broden", folder)
        assert one.concepts and len(one)
    assert "\n" not in str(error.value)


def test_an_unknown_category_is_named(broden):
    with pytest.raises(ShapebiasError, match="did you mean 'color'"):
        source("broden", broden[0], categories=["colour"])


LABELS = np.array([[0, 1, 2], [2, 11, 0]])


def street(folder, labels=LABELS, image=None):
    put(folder, "images/a/1.jpg", encode_png(picture(0, 2, 3)) if image is None else image)
    data = labels if isinstance(labels, bytes) else file_of(labels.astype(np.uint8))
    put(folder, "labels/a/1.png", data)


@pytest.mark.parametrize("kind", ["grey", "palette", "16 bits"])
def test_segmented_counts_concepts_from_one(tmp_path, kind):
    image = Image.fromarray(LABELS.astype(np.uint16 if kind == "16 bits" else np.uint8))
    if kind == "palette":
        image.putpalette(np.random.default_rng(0).integers(0, 256, 768).tolist())
    street(tmp_path, file_of(image))
    one = source("segmented", tmp_path, classes=["sky", "road", "car"], unlabelled=[11])
    (row,), paths = stored(one, tmp_path)
    assert row["image_id"] == "a/1.jpg"
    assert [(layer["category"], numbers(layer)) for layer in row["maps"]] == [
        ("object", [[1, 2, 3], [3, 0, 1]])
    ]
    concepts = [(1, "sky", "object"), (2, "road", "object"), (3, "car", "object")]
    assert concept_names(paths[0]) == concepts


def test_a_background_is_no_concept(tmp_path):
    street(tmp_path)
    put(tmp_path, "classes.txt", b"background\nroad\ncar\n")
    one = source("segmented", tmp_path, unlabelled=[0, 11], category="part")
    (row,) = one.rows(0, 1)
    assert one.concepts == [(2, "road", "part"), (3, "car", "part")]
    assert row["maps"][0][1].tolist() == [[0, 2, 3], [3, 0, 0]]


@pytest.mark.parametrize(
    ("labels", "reason"),
    [
        (LABELS, "11 is neither a class nor among the unlabelled"),
        (LABELS[:1], "3×1 pixels, which is not the shape of its 3×2"),
        (file_of(picture(0, 2, 3)), "pixels of mode RGB; need grey levels or a palette"),
    ],
)
def test_a_label_map_that_does_not_fit_refuses_its_image(tmp_path, labels, reason):
    street(tmp_path, labels)
    one = source("segmented", tmp_path, classes=["sky", "road", "car"])
    rows, paths = stored(one, tmp_path, max_rejected=1.0)
    (refused,) = rejected_images({"streets": paths})["reason"]
    assert rows == [] and reason in refused


def test_wrong_settings_of_segmented_are_refused_in_one_line(tmp_path):
    for folder in ("images", "labels"):
        with pytest.raises(ShapebiasError, match=f"{folder} does not exist"):
            source("segmented", tmp_path, classes=["a"])
        (tmp_path / folder).mkdir()
    for settings in (
        {"classes": ["a", "a"]},
        {"classes": []},
        {"classes": ["a"], "unlabelled": [0]},
    ):
        with pytest.raises(ShapebiasError, match="need one different name each"):
            source("segmented", tmp_path, **settings)
    for unlabelled in (["sky"], [[1]], [True], [-1]):
        with pytest.raises(ShapebiasError, match="are not label numbers"):
            source("segmented", tmp_path, classes=["a"], unlabelled=unlabelled)
    with pytest.raises(ShapebiasError, match=r"classes\.txt: write one name per line"):
        source("segmented", tmp_path)


def test_unused_files_of_segmented_are_reported(tmp_path, capsys):
    street(tmp_path)
    put(tmp_path, "labels/a/orphan.png")
    put(tmp_path, "images/a/photo.heic")
    put(tmp_path, "images/list.txt")
    one = source("segmented", tmp_path, classes=["sky", "road", "car"], unlabelled=[11])
    _, paths = stored(one, tmp_path, max_rejected=1.0)
    log = capsys.readouterr().out
    assert "1 label maps have no photo: labels/a/orphan.png …" in log
    assert "ignored 1 files beside the images: list.txt …" in log
    ((name, reason),) = rejected_in(paths[0])
    assert name == "a/photo.heic" and reason.startswith("unsupported format: .heic")


def test_segmented_without_photos_is_refused(tmp_path):
    street(tmp_path)
    (tmp_path / "images/a/1.jpg").unlink()
    one = source("segmented", tmp_path, classes=["sky"])
    with pytest.raises(ShapebiasError, match="has no images"):
        stored(one, tmp_path)


@pytest.mark.parametrize("scale", [1, 2])
@pytest.mark.parametrize(
    "sizing", [ResizeCrop(resize=30), ResizeCrop(crop=20), ResizeCrop(24, 16), ResizeCrop()]
)
def test_label_maps_are_resized_and_cropped_as_images_are(sizing, scale):
    # A map that numbers its columns, and one its rows, say where each pixel came from.
    width, height = 90, 60
    resized, box = resize_crop_box((width, height), resize=sizing.resize, crop=sizing.crop)
    places = np.mgrid[: height // scale, : width // scale]
    for places_along, side in zip(places, (1, 0), strict=True):
        kept = crop_label_map(places_along, size=(width, height), resized=resized, box=box)
        assert kept.shape == tuple((box[end + 2] - box[end]) // scale for end in (1, 0))
        along = np.moveaxis(kept, 0 if side else 1, 0)[:, 0] * scale + (scale - 1) / 2
        centres = (box[side] + (np.arange(len(along)) + 0.5) * scale) * (90, 60)[side]
        assert np.abs(along + 0.5 - centres / resized[side]).max() <= scale / 2 + 1e-9


def test_stored_label_maps_lie_on_their_images(tmp_path):
    """A photo that shows its labels still shows them after resizing and cropping."""
    labels = np.zeros((60, 90), np.uint8)
    labels[20:45, 30:70] = 1
    street(tmp_path, labels, encode_png(np.repeat(labels[..., None] * 255, 3, axis=2)))
    one = source("segmented", tmp_path, classes=["ground", "thing"])
    (row,), _ = stored(one, tmp_path, sizing=ResizeCrop(resize=40, crop=32))
    seen = row["pixels"][..., 0] > 127
    labelled = decode_map(row["maps"][0]["bytes"]) == 2
    assert labelled.shape == (32, 32) and 0.2 < labelled.mean() < 0.7
    assert (seen != labelled).mean() < 0.02


def test_camvid(shared_data, tmp_path):
    command = [sys.executable, str(shared_data / "unpack.py"), "camvid-sample", str(tmp_path)]
    subprocess.run(command, check=True)
    one = source("segmented", tmp_path, classes=CAMVID, unlabelled=[11])
    rows, paths = stored(one, tmp_path, parts=3, sizing=ResizeCrop(resize=256, crop=224))
    assert len(rows) == len(one) == 101
    assert [name for _, name, _ in concept_names(paths[0])] == CAMVID
    shares = np.zeros(12)
    for row in rows:
        assert row["pixels"].shape == (224, 224, 3)
        found = decode_map(row["maps"][0]["bytes"])
        assert found.shape == (224, 224)
        shares += np.bincount(found.ravel(), minlength=12)
    shares /= shares.sum()
    # Most of a street is road and buildings; hardly any of it is unlabelled.
    assert {CAMVID[n - 1] for n in shares.argsort()[-2:]} == {"road", "building"}
    assert shares[0] < 0.1 and shares.min() > 0
    original = Image.open(io.BytesIO((tmp_path / "labels/0016E5_07959.png").read_bytes()))
    assert original.size == (480, 360)
