import io

import pytest
from PIL import Image

from shapebias.ablation.conflict_images import conflict_rows
from shapebias.errors import ShapebiasError
from shapebias.io.image_sets import ResizeCrop, write_images


@pytest.fixture
def part(tmp_path):
    """Function that writes an image set of pairs of cues, and gives its parts."""
    file = io.BytesIO()
    Image.new("RGB", (8, 8)).save(file, "PNG")

    def written(*cues):
        path = tmp_path / "part-0.parquet"
        rows = [
            {"image_id": str(k), "image": file.getvalue(), "label": None, "shape": a, "texture": b}
            for k, (a, b) in enumerate(cues)
        ]
        write_images(rows, path, sizing=ResizeCrop())
        return [path]

    return written


def test_images_of_two_classes_are_taken_with_all_others(part):
    assert len(conflict_rows(part(("cat", "dog"), ("cat", "cat")))) == 2


@pytest.mark.parametrize(
    ("cues", "said"),
    [
        ([], "holds no images"),
        ([("cat", "dog"), (None, "dog")], "^1 of .* has no classes of shape and texture"),
        ([("cat", "cat"), ("dog", "dog")], "shape and texture are of one class"),
    ],
)
def test_images_without_a_conflict_are_refused_by_name(part, cues, said):
    with pytest.raises(ShapebiasError, match=said):
        conflict_rows(part(*cues))
