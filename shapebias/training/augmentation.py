"""Training images changed at random, as the papers do, from the training's own generator."""

import math
from collections.abc import Callable

import torch
from jaxtyping import Float, UInt8
from torch import Tensor
from torch.nn.functional import interpolate, pad

from shapebias.errors import UnknownName

Images = UInt8[Tensor, "image 3 row column"]
Augmentation = Callable[[Images, torch.Generator], Images]
# Black pixels about a CIFAR image, within which it is cut out again.
BORDER = 4
# Shares of the area that a crop may have, and its widths over its heights.
AREAS = (0.08, 1.0)
RATIOS = (3 / 4, 4 / 3)
TRIALS = 10


def augmentation_by_name(name: str) -> Augmentation:
    """Function of a batch, sRGB 0 to 255, and a generator that gives a batch of the same shape."""
    if name not in AUGMENTATIONS:
        raise UnknownName("augmentation", name, AUGMENTATIONS)
    return AUGMENTATIONS[name]


def none(images: Images, generator: torch.Generator) -> Images:
    """The images as they are; nothing is drawn."""
    return images


def flip(images: Images, generator: torch.Generator) -> Images:
    """Every other image mirrored, left for right."""
    mirrored = _uniform(len(images), generator) < 0.5
    return torch.where(mirrored[:, None, None, None], images.flip(3), images)


def crop_and_flip(images: Images, generator: torch.Generator) -> Images:
    """Moved by up to four pixels each way, black where nothing is left, and perhaps mirrored.

    What is usual for CIFAR [1]_.

    References
    ----------
    .. [1] He et al. (2016). Deep residual learning for image recognition. CVPR, section 4.2.
       :DOI:`10.1109/CVPR.2016.90`
    """
    count, _, height, width = images.shape
    places = torch.randint(
        0, 2 * BORDER + 1, (2, count, 1), generator=generator, device=generator.device
    )
    rows = places[0] + torch.arange(height, device=images.device)
    columns = places[1] + torch.arange(width, device=images.device)
    wide = pad(images, [BORDER] * 4)
    which = torch.arange(count, device=images.device)[:, None, None]
    # Colours come last where indices stand on either side of them.
    cut = wide[which, :, rows[:, :, None], columns[:, None, :]]
    return flip(cut.permute(0, 3, 1, 2), generator)


def resized_crop_and_flip(images: Images, generator: torch.Generator) -> Images:
    """A rectangle of 8 to 100 % of the area brought to the image's size, and perhaps mirrored.

    What is usual for ImageNet [1]_; the images' own resizing and crop have come before.

    References
    ----------
    .. [1] Szegedy et al. (2015). Going deeper with convolutions. CVPR, section 6.
       :DOI:`10.1109/CVPR.2015.7298594`
    """
    size = images.shape[2:]
    cut = torch.empty_like(images)
    for number, (top, left, height, width) in enumerate(rectangles(len(images), size, generator)):
        piece = images[number, :, top : top + height, left : left + width][None].float()
        scaled = interpolate(piece, size, mode="bilinear", antialias=True)
        cut[number] = scaled[0].round().clamp(0, 255).byte()
    return flip(cut, generator)


def rectangles(
    count: int, size: tuple[int, int], generator: torch.Generator
) -> list[tuple[int, int, int, int]]:
    """Row, column, height and width of a random rectangle within each image.

    Areas are uniform in `AREAS`, the logarithms of the ratios in `RATIOS`; of ten trials the first
    that fits is taken, and the whole image where none does.
    """
    # Drawn at once and whether needed or not, so that one image never shifts another's draws.
    draws = _uniform((count, TRIALS, 4), generator).tolist()
    return [_first_that_fits(trials, *size) for trials in draws]


def _first_that_fits(trials: list[list[float]], rows: int, columns: int) -> tuple[int, ...]:
    low, high = (math.log(ratio) for ratio in RATIOS)
    for of_area, of_ratio, down, right in trials:
        area = rows * columns * (AREAS[0] + (AREAS[1] - AREAS[0]) * of_area)
        ratio = math.exp(low + (high - low) * of_ratio)
        width, height = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if 0 < width <= columns and 0 < height <= rows:
            # A uniform number below 1 reaches every place, the last one too.
            top, left = int(down * (rows - height + 1)), int(right * (columns - width + 1))
            return top, left, height, width
    return 0, 0, rows, columns


def _uniform(shape: int | tuple[int, ...], generator: torch.Generator) -> Float[Tensor, "..."]:
    return torch.rand(shape, generator=generator, device=generator.device)


AUGMENTATIONS = {
    "none": none,
    "flip": flip,
    "crop_and_flip": crop_and_flip,
    "resized_crop_and_flip": resized_crop_and_flip,
}
