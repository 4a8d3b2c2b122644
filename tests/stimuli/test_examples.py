"""Example images: of several classes, and the same ones in every set that contains them."""

import numpy as np
import pytest

from shapebias.io.image_codec import encode_png
from shapebias.io.image_sets import ResizeCrop, write_images
from shapebias.stimuli.examples import example_rows, spread_ids


def write_part(path, ids, labels, *, shade=0, **columns):
    """Write a part whose image number i is uniformly grey, shade + i."""
    rows = []
    for number, (image_id, label) in enumerate(zip(ids, labels, strict=True)):
        image = np.full((4, 4, 3), shade + number, np.uint8)
        extra = {name: values[number] for name, values in columns.items()}
        rows.append({"image_id": image_id, "image": encode_png(image), "label": label, **extra})
    write_images(rows, path, sizing=ResizeCrop())
    return path


@pytest.mark.parametrize(
    ("labels", "n", "expected"),
    [
        ("aaaabbbbcccc", 3, "048"),
        ("aabbccddeeff", 3, "048"),
        ("aaaabbbb", 3, "041"),
        ("aa", 5, "01"),
        ([None, None, None], 2, "01"),
    ],
)
def test_examples_are_spread_over_the_classes(tmp_path, labels, n, expected):
    ids = [f"{number}" for number in range(len(labels))]
    assert "".join(spread_ids(write_part(tmp_path / "part", ids, labels), n)) == expected


def test_classes_of_conflict_images_are_their_shapes(tmp_path):
    path = write_part(tmp_path / "part", "0123", [None] * 4, shape=list("ccdd"))
    assert spread_ids(path, 2) == ["0", "2"]


def test_every_set_shows_the_images_of_the_first(tmp_path):
    clean = write_part(tmp_path / "clean", "0123", "aabb")
    incomplete = write_part(tmp_path / "incomplete", "123", "abb", shade=10)
    other = write_part(tmp_path / "other", "uvw", "ccd", shade=20)
    attacked = write_part(tmp_path / "attacked", "02", "ab", shade=30)
    reverse = {"kind": "reverse"}
    sets = [("clean", clean, None), ("reversed", clean, reverse), ("incomplete", incomplete, None)]
    rows = example_rows([*sets, ("other", other, None)], [("attacked (s)", attacked)], n=2, seed=0)
    shades = {name: [image if image is None else int(image.mean()) for image in images]
              for name, images in rows}  # fmt: skip
    assert shades == {
        "clean": [0, 2],
        "reversed": [255, 253],
        "incomplete": [None, 11],
        "other": [20, 22],
        "attacked (s)": [30, 31],
    }
