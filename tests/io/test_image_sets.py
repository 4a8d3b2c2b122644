import numpy as np
import pyarrow.parquet as pq
import pytest

from shapebias.errors import ShapebiasError
from shapebias.io.concept_sets import write_concepts
from shapebias.io.image_codec import encode_png
from shapebias.io.image_sets import ImageSet, ResizeCrop, stack, write_images

RNG = np.random.default_rng(0)
CONCEPTS = [(1, "sky", "object"), (2, "blue", "color")]


def row(number, side=12):
    pixels = RNG.integers(0, 256, (side, side, 3), dtype=np.uint8)
    return {"image_id": f"image{number}", "image": encode_png(pixels), "label": "ab"[number % 2]}


@pytest.fixture
def paths(tmp_path, monkeypatch):
    """Two parts of five and three images, in row groups of at most two."""
    monkeypatch.setattr("shapebias.io.image_sets.ROWS_PER_GROUP", 2)
    refused = {"image_id": "image9", "image": None, "rejected": "too small"}
    parts = [[*map(row, range(5)), refused], list(map(row, range(5, 8)))]
    files = [tmp_path / f"part-{part}.parquet" for part in range(2)]
    for rows, file in zip(parts, files, strict=True):
        write_images(rows, file, sizing=ResizeCrop(resize=10, crop=8))
    return files


def test_an_image_set_gives_the_rows_of_all_parts_in_order(paths):
    images = ImageSet(paths)
    rows = list(images.rows())
    assert len(images) == 8
    assert [row["image_id"] for row in rows] == [f"image{number}" for number in range(8)]
    assert {row["pixels"].shape for row in rows} == {(8, 8, 3)}
    assert images.columns(["label"])["label"].tolist() == [row["label"] for row in rows]
    assert stack(rows).shape == (8, 3, 8, 8)


def test_selected_rows_are_those_of_the_whole_set(paths):
    images = ImageSet(paths)
    rows = {row["image_id"]: row["pixels"] for row in images.rows()}
    (selected,) = images.rows(only={"image6"})
    assert np.array_equal(selected["pixels"], rows["image6"])


def test_row_groups_hold_the_encoded_images_of_the_set(paths):
    groups = ImageSet(paths).groups
    assert [len(group) for group in groups] == [2, 2, 1, 2, 1]
    assert {group.sizing for group in groups} == {ResizeCrop(resize=10, crop=8)}
    ids = [image_id for group in groups for image_id, _ in group.encoded_images()]
    assert ids == [f"image{number}" for number in range(8)]


def test_rejected_images_are_listed_with_the_reason(paths):
    assert ImageSet(paths).rejected() == [("image9", "too small")]


def test_each_file_is_opened_once(paths, monkeypatch):
    opened = []
    parquet_file = pq.ParquetFile
    monkeypatch.setattr(pq, "ParquetFile", lambda path: opened.append(path) or parquet_file(path))
    images = ImageSet(paths)
    for _ in range(2):
        list(images.rows())
        images.columns(["image_id"])
    assert opened == paths


def test_an_image_set_has_no_concepts(paths, tmp_path):
    with pytest.raises(ShapebiasError, match=r"part-0\.parquet has no concepts"):
        ImageSet(paths).concepts()
    file = tmp_path / "concepts.parquet"
    write_concepts([row(0)], file, concepts=CONCEPTS, sizing=ResizeCrop())
    assert ImageSet([file]).concepts() == CONCEPTS


def test_images_of_two_sizes_cannot_be_stacked(tmp_path):
    write_images([row(0), row(1, side=9)], tmp_path / "part-0.parquet", sizing=ResizeCrop())
    with pytest.raises(ShapebiasError, match="'image1' is 9×9, others of its set are 12×12"):
        stack(ImageSet([tmp_path / "part-0.parquet"]).rows())
