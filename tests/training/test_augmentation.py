import math

import pytest
import torch

from shapebias.errors import UnknownName
from shapebias.training.augmentation import (
    AUGMENTATIONS,
    augmentation_by_name,
    crop_and_flip,
    flip,
    random_crops,
    resized_crop_and_flip,
)


def images(count=64, size=32):
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (count, 3, size, size), dtype=torch.uint8, generator=generator)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_depends_only_on_images_and_generator(name):
    augment, originals = augmentation_by_name(name), images()
    before = originals.clone()
    torch.manual_seed(1)
    augmented = augment(originals, seeded())
    torch.manual_seed(2)
    assert torch.equal(augment(originals, seeded()), augmented)
    assert (augmented.shape, augmented.dtype) == (originals.shape, originals.dtype)
    assert torch.equal(originals, before)
    assert torch.equal(augment(originals, seeded(1)), augmented) == (name == "none")
    # The result for an image does not depend on the other images.
    others = torch.cat([originals[:1], images(63).flip(0)])
    assert torch.equal(augment(others, seeded())[0], augmented[0])


def test_half_of_the_images_are_flipped():
    originals = images(400)
    pairs = list(zip(flip(originals, seeded()), originals, strict=True))
    flipped = sum(torch.equal(image, original.flip(2)) for image, original in pairs)
    unchanged = sum(torch.equal(image, original) for image, original in pairs)
    assert flipped + unchanged == 400
    assert 150 < flipped < 250


def test_crops_are_parts_of_the_image_with_a_black_border():
    originals = images(120)
    padded = torch.zeros(120, 3, 40, 40, dtype=torch.uint8)
    padded[:, :, 4:36, 4:36] = originals
    all_corners = set()
    for image, source in zip(crop_and_flip(originals, seeded()), padded, strict=True):
        corners = [
            (row, column)
            for row in range(9)
            for column in range(9)
            if torch.equal(source[:, row : row + 32, column : column + 32], image)
            or torch.equal(source[:, row : row + 32, column : column + 32].flip(2), image)
        ]
        assert len(corners) == 1
        all_corners |= set(corners)
    rows, columns = map(set, zip(*all_corners, strict=True))
    assert rows == columns == set(range(9))


def test_random_crops_fit_and_have_the_published_areas_and_ratios():
    crops = random_crops(2000, (64, 64), seeded())
    areas = [height * width / 64**2 for _, _, height, width in crops]
    ratios = [math.log(width / height) for _, _, height, width in crops]
    assert all(
        0 <= top <= 64 - height and 0 <= left <= 64 - width for top, left, height, width in crops
    )
    assert 0.06 < min(areas) < 0.12
    assert max(areas) > 0.9
    assert abs(sum(ratios) / 2000) < 0.02
    assert math.log(4 / 3) * 0.9 < max(ratios) < math.log(4 / 3) + 0.15
    assert max(top + height for top, _, height, _ in crops) == 64
    # Hardly any crop fits into such a narrow strip.
    assert (0, 0, 2, 500) in random_crops(20, (2, 500), seeded())


def test_resized_crops_show_the_crop():
    # Brightness equals the column, so that a crop has a linear part of its range.
    gradients = torch.arange(64, dtype=torch.uint8).mul(4).expand(8, 3, 64, 64).clone()
    boxes = random_crops(8, (64, 64), seeded())
    augmented = resized_crop_and_flip(gradients, seeded())
    for image, (_, left, _, width) in zip(augmented, boxes, strict=True):
        profile = image[0, 0].float()
        if profile[0] > profile[-1]:
            profile = profile.flip(0)
        expected = 4 * (left + (torch.arange(64) + 0.5) * width / 64 - 0.5)
        inside = slice(4, 60)
        assert (profile[inside] - expected[inside]).abs().max() < 2
        assert torch.equal(image[0, 0], image[2, 63])


def test_unknown_names_are_rejected():
    with pytest.raises(UnknownName, match="crop_and_flip"):
        augmentation_by_name("crop_flip")
