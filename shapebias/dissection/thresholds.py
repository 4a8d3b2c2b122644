"""Exact activation quantiles of every channel."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from fractions import Fraction

import torch
from jaxtyping import Float
from torch import Tensor

from shapebias.dissection.top_k import PENDING, StreamingTopK
from shapebias.errors import ShapebiasError
from shapebias.networks.classifier import Classifier
from shapebias.networks.eval_mode import eval_without_gradients


def find_thresholds(
    model: Classifier,
    images: Iterable[Float[Tensor, "_ 3 row column"]],
    *,
    n_images: int,
    quantiles: Sequence[float],
    channels: Mapping[str, Sequence[int]],
    also: Callable[[str, Float[Tensor, "image channel row column"]], object] | None = None,
    progress: Callable[[int], object] | None = None,
) -> dict[str, Float[Tensor, "quantile channel"]]:
    """Thresholds T of each channel such that at most a fraction of its activations is above.

    Parameters
    ----------
    model
        Network to run, in eval mode.
    images
        Batches of sRGB pixels in [0, 1]; one pass is made.
    n_images
        Number of images in all batches together.
    quantiles
        Fractions q of positions, over all images, allowed strictly above T. With N positions T is
        the (k + 1)-th largest activation, k = floor(q N), N taken exactly.
    channels
        Channels wanted by layer.
    also
        Called with each layer and the maps of those channels, batch by batch: what else is to be
        known of them in the same pass.
    progress
        Called with the number of images after each batch.

    Returns
    -------
    Layer to the thresholds of its channels wanted, in the unit of the activation.

    Raises
    ------
    ShapebiasError
        If the number of images is another, or an activation is not a number.
    """
    largest: dict[str, StreamingTopK] = {}
    ranks: dict[str, list[int]] = {}
    seen = 0
    for batch in images:
        seen += len(batch)
        for layer, maps in selected_maps(model, batch, channels):
            if layer not in largest:
                positions = n_images * maps.shape[2] * maps.shape[3]
                ranks[layer] = [allowed_above(one, positions) + 1 for one in quantiles]
                largest[layer] = StreamingTopK(max(ranks[layer]))
            largest[layer].add(maps.transpose(0, 1).flatten(1))
            if also is not None:
                also(layer, maps)
        if progress is not None:
            progress(len(batch))
    if seen != n_images:
        raise ShapebiasError(f"{n_images} images were announced and {seen} came")
    return {
        layer: _checked(layer, found.ranked(ranks[layer]), channels)
        for layer, found in largest.items()
    }


def threshold_bytes(
    model: Classifier,
    shape: tuple[int, int],
    *,
    n_images: int,
    quantiles: Sequence[float],
    channels: Mapping[str, Sequence[int]],
) -> int:
    """Memory of `find_thresholds` that grows with images: values kept, and those that wait.

    Parameters
    ----------
    shape
        Rows and columns of the images. The rest as in `find_thresholds`.
    """
    blank = torch.zeros(1, 3, *shape, device=model.mean.device)
    values = 0
    with eval_without_gradients(model):
        for _, maps in selected_maps(model, blank, channels):
            positions = n_images * maps.shape[2] * maps.shape[3]
            values += maps.shape[1] * (allowed_above(max(quantiles), positions) + 1)
    return math.ceil(values * (1 + PENDING) * blank.element_size())


def selected_maps(
    model: Classifier,
    images: Float[Tensor, "image 3 row column"],
    channels: Mapping[str, Sequence[int]],
) -> Iterable[tuple[str, Float[Tensor, "image channel row column"]]]:
    """Layers in which channels are wanted, with the maps of those, in one pass no deeper."""
    left = len(channels)
    for layer, maps in model.walk(images):
        if layer in channels:
            wanted = channels[layer]
            whole = list(wanted) == list(range(maps.shape[1]))
            yield layer, maps if whole else maps[:, list(wanted)]
            left -= 1
        if left == 0:
            return


def allowed_above(quantile: float, positions: int) -> int:
    """floor(quantile * positions) for the decimal number that `quantile` shows.

    In floating point 0.29 * 100 is below 29.
    """
    if not 0 <= quantile < 1:
        raise ShapebiasError(f"the quantile {quantile} is not in [0, 1)")
    return math.floor(Fraction(str(quantile)) * positions)


def _checked(
    layer: str, thresholds: Float[Tensor, "rank channel"], channels: Mapping[str, Sequence[int]]
) -> Float[Tensor, "rank channel"]:
    wrong = thresholds.isnan().any(dim=0).nonzero().flatten().tolist()
    if wrong:
        raise ShapebiasError(
            f"activations of layer {layer}, channel {channels[layer][wrong[0]]} are not numbers"
        )
    return thresholds
