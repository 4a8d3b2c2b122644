"""Pixels are normalised once: by their settings, or by a network itself."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from shapebias.errors import ShapebiasError
from shapebias.networks.normalisation_probe import TOLERANCE, Change, own_scale_and_shift

# Usual scales of pixels: in [0, 1], and levels. The means of photos and the deviations by which
# they are divided, of pixels in [0, 1]; or nothing is taken off.
SCALES, MEANS, DEVIATIONS = (1.0, 255.0), (0.25, 0.65), (0.15, 1.05)


def check_normalised_once(
    network: nn.Module, mean: Sequence[float], std: Sequence[float], size: int
) -> None:
    """Raise `ShapebiasError` where pixels would be normalised twice.

    Parameters
    ----------
    network
        From images that were normalised to class scores; run in eval mode up to the first operation
        with weights, and left as it is.
    mean, std
        With which they were normalised, per colour channel, of pixels in [0, 1].
    size
        Side of the images, in pixels.

    Raises
    ------
    ShapebiasError
        If the network itself changes each colour by a scale and a shift, `mean` and `std` are not 0
        and 1, and its own change is a normalisation of bare pixels, or both together are no
        plausible one.

    Notes
    -----
    Both together take a mean m off a pixel and divide it by s. That is plausible where m is 0 or a
    mean that photos have, in [0.25, 0.65], and s is in [0.15, 1.05], or 255 times smaller for
    networks of levels: true of every published one, and of those that undo a normalisation for
    another, as GoogLeNet and Inception do; but not of ImageNet's or of halves done twice, nor of
    one after the other. A network that takes the mean of photos off colours from which one was
    taken already is meant for bare pixels, whatever both are together. What is no map of single
    colours, or comes after the first weights, is not judged.
    """
    if not any(mean) and all(one == 1 for one in std):
        return
    scale, shift = own_scale_and_shift(network, mean, std, size)
    if (scale - 1).abs().amax() <= TOLERANCE and shift.abs().amax() <= TOLERANCE:
        return
    taken_off, divided_by = _together(mean, std, (scale, shift))
    of_bare_pixels = any(mean) and _are_means(-shift / scale)
    if of_bare_pixels or not _is_plausible(taken_off, divided_by):
        raise ShapebiasError(
            f"{type(network).__name__} normalises by itself, to mean {_shown(taken_off)} and "
            f"std {_shown(divided_by)} together with those given: give it mean [0, 0, 0] and std "
            "[1, 1, 1], or a network that does not"
        )


def mean_and_std_together(
    network: nn.Module, mean: Sequence[float], std: Sequence[float], size: int
) -> tuple[list[float], list[float]]:
    """What is taken off pixels in [0, 1] and what they are divided by, by both together.

    Parameters as of `check_normalised_once`.
    """
    both = _together(mean, std, own_scale_and_shift(network, mean, std, size))
    return both[0].tolist(), both[1].tolist()


def _together(mean: Sequence[float], std: Sequence[float], change: Change) -> Change:
    scale, shift = change
    stds = torch.tensor(std).double()
    return torch.tensor(mean).double() - stds * shift / scale, stds / scale


def _are_means(values: Tensor) -> bool:
    low, high = MEANS
    return bool(((values >= low) & (values <= high)).all())


def _is_plausible(mean: Tensor, std: Tensor) -> bool:
    low, high = DEVIATIONS
    stds = any(((std * by >= low) & (std * by <= high)).all() for by in SCALES)
    return (bool((mean.abs() <= TOLERANCE).all()) or _are_means(mean)) and stds


def _shown(values: Tensor) -> list[float]:
    return [round(value, 3) for value in values.tolist()]
