import io

import pytest
from PIL import Image

from shapebias.ablation.conflict_images import conflict_rows
from shapebias.errors import ShapebiasError
from shapebias.io.image_sets import ResizeCrop, write_images


@pytest.fixture
def part(tmp_path):
    """Function that writes an image set with these (shape, texture) pairs and returns its parts."""
    file = io.BytesIO()
    Image.new("RGB", (8, 8)).save(file, "PNG")

    def write(*cues):
        path = tmp_path / "part-0.parquet"
        rows = [
            {"image_id": str(k), "image": file.getvalue(), "label": None, "shape": a, "texture": b}
            for k, (a, b) in enumerate(cues)
        ]
        write_images(rows, path, sizing=ResizeCrop())
        return [path]

    return write


def test_all_images_of_a_set_with_conflicts_are_read(part):
    assert len(conflict_rows(part(("cat", "dog"), ("cat", "cat")))) == 2


@pytest.mark.parametrize(
    ("cues", "message"),
    [
        ([], "no images in .*; ablation needs a cue-conflict image set"),
        ([("cat", "dog"), (None, "dog")], "^image 1 in .* lacks a shape or texture class"),
        ([("cat", "cat"), ("dog", "dog")], "shape and texture are the same class"),
    ],
)
def test_sets_without_conflicts_are_refused(part, cues, message):
    with pytest.raises(ShapebiasError, match=message):
        conflict_rows(part(*cues))
