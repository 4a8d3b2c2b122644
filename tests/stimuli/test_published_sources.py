import codecs
import json
import os
import pickle
import resource
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from shapebias.errors import ShapebiasError
from shapebias.io.image_codec import decode, encode_png
from shapebias.io.image_sets import ResizeCrop
from shapebias.plugins import build
from shapebias.stimuli.datasets import cifar10 as cifar10_source
from shapebias.stimuli.datasets import cifar100 as cifar100_source
from shapebias.stimuli.datasets._cifar_pickle import read_plain_pickle
from shapebias.stimuli.ingest import ingest_images
from tests.helpers.dataset_layouts import cifar10, devkit, picture, put, python2_pickle, shard

SYNSETS = ["n01440764", "n01443537", "n01484850"]


def source(kind, path, **settings):
    return build("datasets", kind=kind, path=str(path), **settings)


@pytest.fixture(autouse=True)
def three_images_a_batch(monkeypatch):
    for module in (cifar10_source, cifar100_source):
        small = replace(module.build.ARCHIVE, images={"train": 3, "test": 3})
        monkeypatch.setattr(module.build, "ARCHIVE", small)


def columns(rows, *names):
    return [tuple(row[name] for name in names) for row in rows]


def parts_of(one, parts):
    return [row["image_id"] for part in range(parts) for row in one.rows(part, parts)]


def one_line(error):
    text = str(error.value)
    assert "\n" not in text
    return text


@pytest.fixture
def imagenet(tmp_path):
    """Three validation photos, flat and sorted, and three training photos."""
    for number, synset in enumerate(["n01443537", "n01484850", "n01440764"], start=1):
        data = encode_png(picture(number))
        name = f"ILSVRC2012_val_{number:08d}.JPEG"
        put(tmp_path / "flat/val", name, data)
        put(tmp_path / "sorted/val", f"{synset}/{name}", data)
        put(tmp_path / "flat/train", f"{synset}/{synset}_{number}.JPEG", data)
    # The challenge's numbers are not in the order of the synsets.
    devkit(tmp_path / "flat", ["n01484850", "n01440764", "n01443537"], [3, 1, 2])
    return tmp_path


def test_imagenet_validation_is_the_same_flat_and_sorted(imagenet):
    flat = list(source("imagenet", imagenet / "flat", split="val").rows(0, 1))
    folders = list(source("imagenet", imagenet / "sorted", split="val").rows(0, 1))
    wanted = ("image_id", "label", "image")
    assert columns(flat, *wanted) == columns(folders, *wanted)
    assert columns(flat, "image_id", "label") == [
        ("ILSVRC2012_val_00000001", "n01443537"),
        ("ILSVRC2012_val_00000002", "n01484850"),
        ("ILSVRC2012_val_00000003", "n01440764"),
    ]


def test_imagenet_training_photos_keep_their_bytes(imagenet):
    rows = list(source("imagenet", imagenet / "flat", split="train").rows(0, 1))
    assert columns(rows, "image_id", "label") == [
        ("n01440764_3", "n01440764"),
        ("n01443537_1", "n01443537"),
        ("n01484850_2", "n01484850"),
    ]
    assert all((imagenet / "flat/train" / r["path"]).read_bytes() == r["image"] for r in rows)


def test_imagenet_under_the_archives_names(imagenet):
    (imagenet / "flat/val").rename(imagenet / "flat/ILSVRC2012_img_val")
    assert len(source("imagenet", imagenet / "flat", split="val")) == 3


def test_imagenet_says_where_to_get_it(tmp_path, imagenet):
    for path, split in [(tmp_path / "absent", "val"), (imagenet / "sorted", "train")]:
        with pytest.raises(ShapebiasError, match=r"https://image-net\.org") as error:
            source("imagenet", path, split=split)
        assert one_line(error)
    (imagenet / "flat/ILSVRC2012_devkit_t12").rename(imagenet / "elsewhere")
    with pytest.raises(ShapebiasError, match=r"devkit_t12/data, which does not exist; register"):
        list(source("imagenet", imagenet / "flat", split="val").rows(0, 1))


def test_imagenet_refuses_what_it_would_mislabel(imagenet):
    put(imagenet / "sorted/val", "n01443537/ILSVRC2012_val_00000003.png")
    with pytest.raises(ShapebiasError, match="have one name"):
        len(source("imagenet", imagenet / "sorted", split="val"))
    put(imagenet / "sorted/val", "tench/1.png")
    with pytest.raises(ShapebiasError, match="tench is none of ImageNet's 1,000 synsets"):
        len(source("imagenet", imagenet / "sorted", split="val"))
    put(imagenet / "flat/val", "ILSVRC2012_val_00000004.JPEG")
    with pytest.raises(ShapebiasError, match="no number from 1 to 3"):
        list(source("imagenet", imagenet / "flat", split="val").rows(0, 1))
    put(imagenet / "flat/val", "n01440764/a.JPEG")
    with pytest.raises(ShapebiasError, match="sort all or none"):
        source("imagenet", imagenet / "flat", split="val")
    with pytest.raises(ShapebiasError, match="did you mean 'val'"):
        source("imagenet", imagenet / "flat", split="valid")


@pytest.mark.parametrize("text", ["4\n1\n1\n", "one\n1\n1\n"])
def test_imagenet_names_a_damaged_ground_truth(imagenet, text):
    folder = imagenet / "flat/ILSVRC2012_devkit_t12/data"
    (folder / "ILSVRC2012_validation_ground_truth.txt").write_text(text)
    with pytest.raises(ShapebiasError, match="cannot read ImageNet's ground truth"):
        list(source("imagenet", imagenet / "flat", split="val").rows(0, 1))
    (folder / "meta.mat").write_bytes(b"nothing")
    with pytest.raises(ShapebiasError, match="cannot read ImageNet's synsets"):
        list(source("imagenet", imagenet / "flat", split="val").rows(0, 1))


def test_imagenet_c_and_stylized_have_the_photos_ids(imagenet, tmp_path):
    name = "n01443537/ILSVRC2012_val_00000001.JPEG"
    put(tmp_path / "c", f"gaussian_noise/5/{name}")
    put(tmp_path / "c", f"weather/fog/1/{name}")
    put(tmp_path / "sin", "val/n01443537/ILSVRC2012_val_00000001.png")
    original = next(source("imagenet", imagenet / "flat", split="val").rows(0, 1))
    for one in (
        source("imagenet_c", tmp_path / "c", corruption="gaussian_noise", severity=5),
        source("imagenet_c", tmp_path / "c", corruption="fog", severity=1),
        source("stylized_imagenet", tmp_path / "sin", split="val"),
    ):
        (row,) = one.rows(0, 1)
        assert (row["image_id"], row["label"]) == (original["image_id"], original["label"])


def test_imagenet_c_names_what_there_is(tmp_path):
    put(tmp_path, "gaussian_noise/5/n01443537/a.JPEG")
    with pytest.raises(ShapebiasError, match=r"unknown corruption .*known: gaussian_noise\)"):
        source("imagenet_c", tmp_path, corruption="gausian", severity=5)
    with pytest.raises(ShapebiasError, match="severity: 6 is not at least 1 and at most 5"):
        source("imagenet_c", tmp_path, corruption="gaussian_noise", severity=6)
    with pytest.raises(ShapebiasError, match="gaussian_noise/4 does not exist"):
        source("imagenet_c", tmp_path, corruption="gaussian_noise", severity=4)


def test_a_photo_deeper_than_its_synset_is_named(tmp_path):
    put(tmp_path, "val/n01443537/a.JPEG")
    put(tmp_path, "val/n01443537/more/b.JPEG")
    with pytest.raises(ShapebiasError, match=r"more/b\.JPEG is not directly in a class's folder"):
        len(source("stylized_imagenet", tmp_path, split="val"))


def test_stylized_imagenet_says_how_to_make_it(tmp_path):
    with pytest.raises(ShapebiasError, match=r"github\.com/rgeirhos/Stylized-ImageNet"):
        source("stylized_imagenet", tmp_path, split="val")


def test_tiny_imagenet(tmp_path):
    for synset, number in [("n01443537", 0), ("n01443537", 1), ("n02124075", 0)]:
        put(tmp_path, f"train/{synset}/images/{synset}_{number}.JPEG")
    put(tmp_path, "val/images/val_1.JPEG")
    put(tmp_path, "val/images/val_0.JPEG")
    lines = "val_0.JPEG\tn02124075\t0\t32\t44\t62\nval_1.JPEG\tn01443537\t52\t55\t57\t59\n"
    put(tmp_path, "val/val_annotations.txt", lines.encode())
    train = source("tiny_imagenet", tmp_path, split="train")
    assert columns(train.rows(0, 1), "image_id", "label") == [
        ("n01443537_0", "n01443537"),
        ("n01443537_1", "n01443537"),
        ("n02124075_0", "n02124075"),
    ]
    assert parts_of(train, 2) == parts_of(train, 1)
    val = source("tiny_imagenet", tmp_path, split="val")
    assert columns(val.rows(0, 1), "image_id", "label") == [
        ("val_0", "n02124075"),
        ("val_1", "n01443537"),
    ]
    put(tmp_path, "val/images/val_2.JPEG")
    with pytest.raises(ShapebiasError, match=r"val_annotations\.txt has no line for val_2\.JPEG"):
        list(source("tiny_imagenet", tmp_path, split="val").rows(0, 1))
    put(tmp_path, "val/val_annotations.txt", b"val_0.JPEG\n")
    with pytest.raises(ShapebiasError, match="cannot read the labels"):
        list(source("tiny_imagenet", tmp_path, split="val").rows(0, 1))
    with pytest.raises(ShapebiasError, match="unknown split"):
        source("tiny_imagenet", tmp_path, split="test")


@pytest.fixture
def caltech(tmp_path):
    for folder, count in [("001.ak47", 10), ("002.american-flag", 25), ("257.clutter", 10)]:
        for number in range(count):
            put(tmp_path, f"{folder}/{folder[:3]}_{number:04d}.jpg")
    # The published archive has such things in it.
    put(tmp_path, "001.ak47/RENAME2", b"script")
    put(tmp_path, "001.ak47/greg/x.jpg")
    return tmp_path


def test_caltech256_is_split_by_class(caltech):
    train = list(source("caltech256", caltech, split="train", seed=0).rows(0, 1))
    test = list(source("caltech256", caltech, split="test", seed=0).rows(0, 1))
    assert len(train) == 36 and len(test) == 9
    assert not {r["image_id"] for r in train} & {r["image_id"] for r in test}
    labels = [row["label"] for row in test]
    assert {one: labels.count(one) for one in labels} == {
        "ak47": 2,
        "american-flag": 5,
        "clutter": 2,
    }


def test_the_split_of_caltech256_depends_on_the_seed_and_the_class_alone(caltech):
    first = parts_of(source("caltech256", caltech, split="test", seed=0), 3)
    assert first == parts_of(source("caltech256", caltech, split="test", seed=0), 1)
    assert first != parts_of(source("caltech256", caltech, split="test", seed=1), 1)
    put(caltech, "003.backpack/003_0001.jpg")
    again = parts_of(source("caltech256", caltech, split="test", seed=0), 1)
    assert [one for one in again if not one.startswith("003")] == first
    plain = source("caltech256", caltech, split="test", seed=0, clutter=False)
    assert parts_of(plain, 1) == [one for one in first if "clutter" not in one]


@pytest.mark.parametrize("folder", ["ak47", "300.ak47", "x.flag"])
def test_caltech256_names_a_folder_that_is_no_class(caltech, folder):
    put(caltech, f"{folder}/1.jpg")
    with pytest.raises(ShapebiasError, match=r"is not named <number>|are one class"):
        len(source("caltech256", caltech, split="test", seed=0))


def test_cifar10_batches(tmp_path):
    published = cifar10(tmp_path / "cifar-10-batches-py")
    train = source("cifar10", tmp_path, split="train")
    rows = list(train.rows(0, 1))
    pixels = np.concatenate([published[f"data_batch_{n}"][0] for n in range(1, 6)])
    labels = [label for n in range(1, 6) for label in published[f"data_batch_{n}"][1]]
    assert len(train) == len(rows) == 15
    assert [row["label"] for row in rows] == labels
    for row, flat in zip(rows, pixels, strict=True):
        # Red, green and blue planes follow one another, row by row.
        expected = np.stack([flat[plane * 1024 :][:1024].reshape(32, 32) for plane in range(3)], -1)
        assert np.array_equal(decode(row["image"]), expected)
    assert rows[3]["image_id"] == "train-00003" and rows[3]["path"] == "data_batch_2_0.png"
    assert len(source("cifar10", tmp_path / "cifar-10-batches-py", split="test")) == 3


@pytest.mark.parametrize("parts", [2, 4, 7, 20])
def test_parts_of_cifar_cross_batches(tmp_path, parts):
    cifar10(tmp_path)
    train = source("cifar10", tmp_path, split="train")
    assert parts_of(train, parts) == [f"train-{number:05d}" for number in range(15)]


def test_cifar100_has_groups(tmp_path):
    batch = {
        b"data": np.zeros((3, 3072), np.uint8),
        b"fine_labels": [1, 0, 0],
        b"coarse_labels": [0, 1, 1],
    }
    put(
        tmp_path,
        "meta",
        python2_pickle(
            {b"fine_label_names": [b"apple", b"baby"], b"coarse_label_names": [b"people", b"fruit"]}
        ),
    )
    put(tmp_path, "test", python2_pickle(batch))
    rows = list(source("cifar100", tmp_path, split="test").rows(0, 1))
    assert columns(rows, "label", "coarse") == [
        ("baby", "people"),
        ("apple", "fruit"),
        ("apple", "fruit"),
    ]


def test_cifar_folders(tmp_path):
    data = put(tmp_path, "train/cat/0001.png").read_bytes()
    put(tmp_path, "test/dog/0001.png")
    (row,) = source("cifar10", tmp_path, split="train").rows(0, 1)
    assert (row["image_id"], row["label"]) == ("train/cat/0001.png", "cat")
    assert row["image"] == data
    with pytest.raises(ShapebiasError, match=r"holds neither meta of .* nor test/<class>/"):
        source("cifar100", tmp_path / "train", split="test")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({b"labels": [0, 1]}, "labels do not fit"),
        ({b"labels": [0, 1, 3]}, "labels do not fit"),
        ({b"data": np.zeros((3, 784), np.uint8)}, "32×32 pixels"),
        ({b"data": np.zeros((3, 3072), np.float32)}, "other than bytes"),
        ({b"data": None}, "32×32 pixels"),
        ({b"labels": None}, "labels do not fit"),
        ({b"labels": [[1]] * 3}, "labels do not fit"),
        ({b"labels": [1.0] * 3}, "labels do not fit"),
        ({b"labels": [-1] * 3}, "labels do not fit"),
        ({b"filenames": [b"a.png"]}, "file names do not fit"),
        ({b"filenames": None}, "file names do not fit"),
        ({b"filenames": [b"\xff\xfe"] * 3}, "file names do not fit"),
        ({b"data": np.zeros((2, 3072), np.uint8), b"labels": [0, 1]}, "holds 2 images; 3 were pub"),
    ],
)
def test_a_cifar_batch_that_is_none_is_named(tmp_path, change, message):
    cifar10(tmp_path)
    batch = {b"data": np.zeros((3, 3072), np.uint8), b"labels": [0, 1, 2], **change}
    put(tmp_path, "test_batch", python2_pickle(batch))
    with pytest.raises(ShapebiasError, match=message) as error:
        list(source("cifar10", tmp_path, split="test").rows(0, 1))
    assert "test_batch" in one_line(error)


@pytest.mark.parametrize("names", [{}, [1], {b"label_names": 3}, {b"label_names": [3, b"\xff"]}])
def test_class_names_of_cifar_that_are_none_are_named(tmp_path, names):
    cifar10(tmp_path)
    put(tmp_path, "batches.meta", python2_pickle(names))
    with pytest.raises(ShapebiasError, match=r"batches\.meta has no class names under 'label"):
        list(source("cifar10", tmp_path, split="test").rows(0, 1))


def test_a_missing_batch_of_cifar_is_called_missing(tmp_path):
    cifar10(tmp_path)
    (tmp_path / "data_batch_3").unlink()
    with pytest.raises(ShapebiasError, match="data_batch_3 cannot be read: No such file") as error:
        list(source("cifar10", tmp_path, split="train").rows(0, 1))
    assert one_line(error)


def test_the_published_counts_of_cifar(monkeypatch, tmp_path):
    monkeypatch.undo()
    cifar10(tmp_path)
    assert len(source("cifar10", tmp_path, split="train")) == 50_000
    assert len(source("cifar10", tmp_path, split="test")) == 10_000
    put(tmp_path, "meta", b"")
    assert len(source("cifar100", tmp_path, split="train")) == 50_000
    assert len(source("cifar100", tmp_path, split="test")) == 10_000
    with pytest.raises(ShapebiasError, match="holds 3 images; 10000 were published"):
        next(source("cifar10", tmp_path, split="test").rows(0, 1))


class Runs:
    """Pickled, it is a call of a function that leaves a file behind."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("protocol", range(6))
def test_a_pickle_that_would_run_something_is_refused(tmp_path, protocol):
    trace = tmp_path / "trace"
    for function, *arguments in [
        (os.mkdir, str(trace)),
        (eval, f"open({str(trace)!r}, 'w')"),
        (codecs.open, str(trace), "w"),
        (getattr, "text", "upper"),
    ]:
        data = pickle.dumps({b"data": Runs(function, *arguments)}, protocol=protocol)
        with pytest.raises(ShapebiasError, match="do not trust the file") as error:
            read_plain_pickle(put(tmp_path, "batch", data))
        assert one_line(error) and not trace.exists()


# With protocol 5 arrays are pickled in another way, which no published archive uses.
@pytest.mark.parametrize("protocol", range(5))
@pytest.mark.parametrize("order", ["C", "F"])
def test_a_plain_pickle_is_what_was_pickled(tmp_path, protocol, order):
    array = np.asarray(np.arange(12, dtype=np.uint8).reshape(3, 4), order=order)
    value = {b"a": [1, -2, 2.5, None, True], b"array": array, b"deep": [(b"x", [array[:, :2]])]}
    read = read_plain_pickle(put(tmp_path, "batch", pickle.dumps(value, protocol=protocol)))
    assert np.array_equal(read[b"array"], array) and read[b"a"] == value[b"a"]
    assert np.array_equal(read[b"deep"][0][1][0], array[:, :2])


@pytest.mark.parametrize("data", [b"", b"\x80\x04", b"not a pickle", pickle.dumps([1, 2])[:-4]])
def test_a_damaged_pickle_is_named(tmp_path, data):
    with pytest.raises(ShapebiasError, match="batch is not a readable pickle"):
        read_plain_pickle(put(tmp_path, "batch", data))


def test_a_damaged_pickle_is_reported_in_one_line(tmp_path):
    data = b"Pfoo\nbar\n."
    with pytest.raises(ShapebiasError, match="is not a readable pickle") as error:
        read_plain_pickle(put(tmp_path, "batch", data))
    assert one_line(error)


def test_a_pickle_of_ten_bytes_takes_little_memory(tmp_path):
    data = b"\x80\x02Nr" + (150_000_000).to_bytes(4, "little") + b"."
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ShapebiasError, match="notes more values than it holds") as error:
        read_plain_pickle(put(tmp_path, "batch", data))
    assert one_line(error)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000


def test_a_pickle_of_lists_in_lists_is_read_once(tmp_path):
    value = [b"x"]
    for _ in range(60):
        value = [value, value]
    assert read_plain_pickle(put(tmp_path, "batch", pickle.dumps(value)))[0][1] is not None


@pytest.fixture
def shards(tmp_path):
    images = [encode_png(picture(number)) for number in range(10)]
    names = ["cat", "dog"]
    shard(tmp_path / "data/train-00000-of-00002.parquet", images[:7], [0, 1, 0, 1, 0, 1, 1],
          names=names, rows_a_group=3)  # fmt: skip
    shard(tmp_path / "data/train-00001-of-00002.parquet", images[7:], [1, 0, -1], names=names)
    shard(tmp_path / "data/test-00000-of-00001.parquet", images[:2], [0, 1], names=names)
    return tmp_path, images


@pytest.mark.parametrize("parts", [1, 2, 3, 7, 10, 13])
def test_hugging_face_shards(shards, parts):
    folder, images = shards
    train = source("hf_parquet", folder, split="train")
    rows = [row for part in range(parts) for row in train.rows(part, parts)]
    labels = ["cat", "dog", "cat", "dog", "cat", "dog", "dog", "dog", "cat", None]
    assert [row["image"] for row in rows] == images
    assert [row["label"] for row in rows] == labels
    assert rows[0]["image_id"] == "data/train-00000-of-00002/000000"
    assert rows[7]["image_id"] == "data/train-00001-of-00002/000000"
    assert len(source("hf_parquet", folder)) == 12


def test_hugging_face_labels_as_they_are_and_as_synsets(tmp_path):
    image = encode_png(picture())
    shard(tmp_path / "a.parquet", [image, image, None], [999, 0, 1])
    numbers = list(source("hf_parquet", tmp_path).rows(0, 1))
    assert [row["label"] for row in numbers] == ["999", "0", "1"]
    assert numbers[2]["image"] is None and numbers[2]["rejected"] == "its row holds no bytes"
    synsets = source("hf_parquet", tmp_path, classes="imagenet").rows(0, 1)
    assert [row["label"] for row in synsets] == ["n15075141", "n01440764", "n01443537"]
    unlabelled = source("hf_parquet", tmp_path, label=None).rows(0, 1)
    assert [row["label"] for row in unlabelled] == [None] * 3
    shard(tmp_path / "a.parquet", [image], ["zebra"])
    assert next(source("hf_parquet", tmp_path).rows(0, 1))["label"] == "zebra"


def test_hugging_face_mistakes_are_named(shards):
    folder, images = shards
    with pytest.raises(ShapebiasError, match=r"holds no file validation-\*\.parquet"):
        len(source("hf_parquet", folder, split="validation"))
    with pytest.raises(ShapebiasError, match=r"unknown column .*known: image, label"):
        len(source("hf_parquet", folder, label="fine_label"))
    shard(folder / "data/test-00000-of-00001.parquet", images[:1], [2], names=["cat", "dog"])
    with pytest.raises(ShapebiasError, match="label 2 is none of the 2 classes"):
        list(source("hf_parquet", folder, split="test").rows(0, 1))
    put(folder, "data/test-00000-of-00001.parquet", b"PAR1 and nothing else")
    with pytest.raises(ShapebiasError, match=r"cannot read .*test-00000") as error:
        len(source("hf_parquet", folder, split="test"))
    assert one_line(error)


def test_a_shard_damaged_inside_is_named(shards):
    folder, _ = shards
    path = folder / "data/train-00000-of-00002.parquet"
    data = bytearray(path.read_bytes())
    data[4:4000] = bytes(3996)
    path.write_bytes(data)
    with pytest.raises(ShapebiasError, match=r"cannot read .*train-00000-of-00002") as error:
        list(source("hf_parquet", folder, split="train").rows(0, 1))
    assert one_line(error)


def table_of(path, images, labels, note=None):
    table = pa.table({"image": images, "label": labels})
    pq.write_table(table.replace_schema_metadata(note and {"huggingface": note}), path)


FILES = [{"bytes": encode_png(picture()), "path": "a.png"}] * 2


@pytest.mark.parametrize(
    ("images", "labels", "reason"),
    [
        (["a.png", "b.png"], [0, 1], "column image is of string; set `image`"),
        ([1, 2], [0, 1], "column image is of int64"),
        ([{"path": "a.png"}] * 2, [0, 1], "column image is of struct<path: string>"),
        ([{"bytes": b"x", "path": 1}] * 2, [0, 1], "column image is of struct"),
        (FILES, [0.0, 1.0], "column label is of double; set `label`"),
        (FILES, [[0], [1]], "column label is of list"),
    ],
)
def test_columns_of_another_kind_are_named(tmp_path, images, labels, reason):
    table_of(tmp_path / "a.parquet", images, labels)
    with pytest.raises(ShapebiasError, match=reason) as error:
        len(source("hf_parquet", tmp_path))
    assert "a.parquet" in one_line(error)


@pytest.mark.parametrize("features", [[1], {"label": [1]}, {"label": {"names": {"0": "cat"}}},
                                      {"label": {"names": [1, 2]}}])  # fmt: skip
def test_metadata_that_name_no_classes_are_named(tmp_path, features):
    for note in (json.dumps({"info": {"features": features}}), "{nope", "[1, 2]", b"\xff"):
        table_of(tmp_path / "a.parquet", FILES, [0, 1], note)
        with pytest.raises(ShapebiasError, match=r"a\.parquet: its Hugging Face meta") as error:
            list(source("hf_parquet", tmp_path).rows(0, 1))
        assert one_line(error)
    # Where the names are not asked for, they may be anything.
    for settings in ({"label": None}, {"classes": "imagenet"}):
        assert len(list(source("hf_parquet", tmp_path, **settings).rows(0, 1))) == 2


def test_a_parquet_file_without_rows_gives_no_image_set(tmp_path):
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    empty = pa.array([], kind), pa.array([], pa.int64())
    (tmp_path / "in").mkdir()
    table_of(tmp_path / "in/a.parquet", *empty)
    out = tmp_path / "part-0.parquet"
    with pytest.raises(ShapebiasError, match="in has no images; correct the path"):
        ingest_images(
            source("hf_parquet", tmp_path / "in"), out, part=0, parts=1, sizing=ResizeCrop()
        )
    assert not out.exists()
