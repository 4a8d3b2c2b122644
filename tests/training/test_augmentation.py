import math

import pytest
import torch

from shapebias.errors import UnknownName
from shapebias.training.augmentation import (
    AUGMENTATIONS,
    augmentation_by_name,
    crop_and_flip,
    flip,
    rectangles,
    resized_crop_and_flip,
)


def images(count=64, size=32):
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (count, 3, size, size), dtype=torch.uint8, generator=generator)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_follows_the_generator_alone(name):
    augment, some = augmentation_by_name(name), images()
    before = some.clone()
    torch.manual_seed(1)
    one = augment(some, seeded())
    torch.manual_seed(2)
    assert torch.equal(augment(some, seeded()), one)
    assert (one.shape, one.dtype) == (some.shape, some.dtype)
    assert torch.equal(some, before)
    assert torch.equal(augment(some, seeded(1)), one) == (name == "none")
    # An image's own draws alone decide what becomes of it.
    other = torch.cat([some[:1], images(63).flip(0)])
    assert torch.equal(augment(other, seeded())[0], one[0])


def test_half_of_the_images_are_mirrored():
    some = images(400)
    found = flip(some, seeded())
    mirrored = [torch.equal(a, b.flip(2)) for a, b in zip(found, some, strict=True)]
    kept = [torch.equal(a, b) for a, b in zip(found, some, strict=True)]
    assert sum(mirrored) + sum(kept) == 400
    assert 150 < sum(mirrored) < 250


def test_crops_are_pieces_of_the_image_with_a_black_border():
    some = images(120)
    wide = torch.zeros(120, 3, 40, 40, dtype=torch.uint8)
    wide[:, :, 4:36, 4:36] = some
    seen = set()
    for found, source in zip(crop_and_flip(some, seeded()), wide, strict=True):
        places = [
            (row, column)
            for row in range(9)
            for column in range(9)
            if torch.equal(source[:, row : row + 32, column : column + 32], found)
            or torch.equal(source[:, row : row + 32, column : column + 32].flip(2), found)
        ]
        assert len(places) == 1
        seen |= set(places)
    assert {row for row, _ in seen} == {column for _, column in seen} == set(range(9))


def test_rectangles_lie_within_and_have_the_published_areas_and_ratios():
    found = rectangles(2000, (64, 64), seeded())
    areas = [height * width / 64**2 for _, _, height, width in found]
    ratios = [math.log(width / height) for _, _, height, width in found]
    assert all(
        0 <= top <= 64 - height and 0 <= left <= 64 - width for top, left, height, width in found
    )
    assert 0.06 < min(areas) < 0.12
    assert max(areas) > 0.9
    assert abs(sum(ratios) / 2000) < 0.02
    assert math.log(4 / 3) * 0.9 < max(ratios) < math.log(4 / 3) + 0.15
    reached = [top + height for top, _, height, _ in found]
    assert max(reached) == 64
    # In a strip as narrow as this hardly any rectangle has room.
    assert (0, 0, 2, 500) in rectangles(20, (2, 500), seeded())


def test_resized_crops_show_the_piece():
    # Brightness is the column: a crop has a part of its range, evenly spread.
    some = torch.arange(64, dtype=torch.uint8).mul(4).expand(8, 3, 64, 64).clone()
    boxes = rectangles(8, (64, 64), seeded())
    for found, (_, left, _, width) in zip(
        resized_crop_and_flip(some, seeded()), boxes, strict=True
    ):
        profile = found[0, 0].float()
        if profile[0] > profile[-1]:
            profile = profile.flip(0)
        expected = 4 * (left + (torch.arange(64) + 0.5) * width / 64 - 0.5)
        inside = slice(4, 60)
        assert (profile[inside] - expected[inside]).abs().max() < 2
        assert torch.equal(found[0, 0], found[2, 63])


def test_unknown_names_are_told():
    with pytest.raises(UnknownName, match="crop_and_flip"):
        augmentation_by_name("crop_flip")
