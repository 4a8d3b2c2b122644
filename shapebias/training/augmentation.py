"""Random augmentation of training images, drawn from the training's generator."""

import math
from collections.abc import Callable

import torch
from jaxtyping import Float, UInt8
from torch import Tensor
from torch.nn.functional import interpolate, pad

from shapebias.errors import UnknownName

Images = UInt8[Tensor, "image 3 row column"]
Augmentation = Callable[[Images, torch.Generator], Images]
# Row, column, height and width of a crop.
Crop = tuple[int, int, int, int]
# Black pixels added on each side of a CIFAR image before it is cropped.
BORDER = 4
# Range of a crop's share of the image area, and of its width divided by its height.
AREAS = (0.08, 1.0)
RATIOS = (3 / 4, 4 / 3)
TRIALS = 10


def augmentation_by_name(name: str) -> Augmentation:
    """Return a function of sRGB images, 0 to 255, and a generator that augments the images."""
    if name not in AUGMENTATIONS:
        raise UnknownName("augmentation", name, AUGMENTATIONS)
    return AUGMENTATIONS[name]


def none(images: Images, generator: torch.Generator) -> Images:
    """Return the images unchanged, without a draw."""
    return images


def flip(images: Images, generator: torch.Generator) -> Images:
    """Flip each image horizontally with probability 1/2."""
    flipped = _uniform((len(images),), generator) < 0.5
    return torch.where(flipped[:, None, None, None], images.flip(3), images)


def crop_and_flip(images: Images, generator: torch.Generator) -> Images:
    """Shift by up to four pixels in each direction, padding with black, and flip at random.

    The usual augmentation for CIFAR [1]_.

    References
    ----------
    .. [1] He et al. (2016). Deep residual learning for image recognition. CVPR, section 4.2.
       :DOI:`10.1109/CVPR.2016.90`
    """
    count, _, height, width = images.shape
    corners = torch.randint(
        0, 2 * BORDER + 1, (2, count, 1), generator=generator, device=generator.device
    )
    rows = corners[0] + torch.arange(height, device=images.device)
    columns = corners[1] + torch.arange(width, device=images.device)
    padded = pad(images, [BORDER] * 4)
    numbers = torch.arange(count, device=images.device)[:, None, None]
    # Indexing on both sides of the colour axis moves that axis to the end.
    cropped = padded[numbers, :, rows[:, :, None], columns[:, None, :]]
    return flip(cropped.permute(0, 3, 1, 2), generator)


def resized_crop_and_flip(images: Images, generator: torch.Generator) -> Images:
    """Resize a random crop of 8 to 100 % of the area to the image's size, and flip at random.

    The usual augmentation for ImageNet [1]_. It is applied after the image set's own resize and
    crop.

    References
    ----------
    .. [1] Szegedy et al. (2015). Going deeper with convolutions. CVPR, section 6.
       :DOI:`10.1109/CVPR.2015.7298594`
    """
    rows, columns = images.shape[2:]
    cropped = torch.empty_like(images)
    crops = random_crops(len(images), (rows, columns), generator)
    for number, (top, left, height, width) in enumerate(crops):
        crop = images[number, :, top : top + height, left : left + width][None].float()
        resized = interpolate(crop, (rows, columns), mode="bilinear", antialias=True)
        cropped[number] = resized[0].round().clamp(0, 255).byte()
    return flip(cropped, generator)


def random_crops(count: int, size: tuple[int, int], generator: torch.Generator) -> list[Crop]:
    """Draw a random crop of each image of a size (rows, columns).

    Areas are uniform in `AREAS`, logarithms of the ratios uniform in `RATIOS`. The first of ten
    trials that fits into the image is used, and the whole image if none does.
    """
    # All trials are drawn, needed or not, so that an image's draws do not depend on the others'.
    draws = _uniform((count, TRIALS, 4), generator).tolist()
    return [_first_fitting_crop(trials, *size) for trials in draws]


def _first_fitting_crop(trials: list[list[float]], rows: int, columns: int) -> Crop:
    low, high = (math.log(ratio) for ratio in RATIOS)
    for area_draw, ratio_draw, row_draw, column_draw in trials:
        area = rows * columns * (AREAS[0] + (AREAS[1] - AREAS[0]) * area_draw)
        ratio = math.exp(low + (high - low) * ratio_draw)
        width, height = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if 0 < width <= columns and 0 < height <= rows:
            # Draws are below 1, so that all positions are equally likely.
            top, left = (
                int(row_draw * (rows - height + 1)),
                int(column_draw * (columns - width + 1)),
            )
            return top, left, height, width
    return 0, 0, rows, columns


def _uniform(shape: tuple[int, ...], generator: torch.Generator) -> Float[Tensor, "..."]:
    return torch.rand(shape, generator=generator, device=generator.device)


AUGMENTATIONS = {
    "none": none,
    "flip": flip,
    "crop_and_flip": crop_and_flip,
    "resized_crop_and_flip": resized_crop_and_flip,
}
