"""Exact activation quantiles of every channel."""

import math
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction

import torch
from jaxtyping import Float
from torch import Tensor

from shapebias.dissection.top_k import PENDING, StreamingTopK
from shapebias.errors import ShapebiasError
from shapebias.networks.classifier import Classifier
from shapebias.networks.eval_mode import eval_without_gradients


class Thresholds:
    """Running statistic: threshold T of each channel of a layer.

    Parameters
    ----------
    n_images
        Number of images in all batches together.
    quantiles
        Fractions q of positions, over all images, at which the activation is above T at most.
        With N positions T is the (k + 1)-th largest activation, k = floor(q N), computed exactly.

    Raises
    ------
    ShapebiasError
        If a quantile is not in [0, 1).
    """

    def __init__(self, n_images: int, quantiles: Sequence[float]):
        self._n_images, self._quantiles = n_images, quantiles
        self._largest: StreamingTopK | None = None

    def add(self, maps: Float[Tensor, "image channel row column"]) -> None:
        """Add the activations of a batch of images."""
        if self._largest is None:
            positions = self._n_images * maps.shape[2] * maps.shape[3]
            self._largest = StreamingTopK(
                [allowed_above(q, positions) + 1 for q in self._quantiles]
            )
        self._largest.add(maps.transpose(0, 1).flatten(1))

    def result(self) -> Float[Tensor, "quantile channel"]:
        """Thresholds in the unit of the activation; NaN for channels with a NaN."""
        return self._largest.result()


def threshold_bytes(
    model: Classifier,
    shape: tuple[int, int],
    *,
    n_images: int,
    quantiles: Sequence[float],
    channels: Mapping[str, Sequence[int]],
) -> int:
    """Memory of `Thresholds` in bytes, for all layers: stored and pending values.

    Parameters
    ----------
    model
        Network to dissect.
    shape
        Rows and columns of the images.
    n_images, quantiles
        As for `Thresholds`.
    channels
        Layer to the numbers of the channels to dissect.
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
) -> Iterator[tuple[str, Float[Tensor, "image channel map_row map_column"]]]:
    """Layers with selected channels and the maps of these channels, up to the last such layer."""
    remaining = len(channels)
    for layer, maps in model.walk(images):
        if layer in channels:
            numbers = list(channels[layer])
            all_channels = numbers == list(range(maps.shape[1]))
            yield layer, maps if all_channels else maps[:, numbers]
            remaining -= 1
        if remaining == 0:
            return


def allowed_above(quantile: float, positions: int) -> int:
    """Number of positions at which an activation may be above the threshold: floor(q N).

    The quantile is taken as the decimal number that it is written as: in floating point 0.29 * 100
    is below 29.

    Examples
    --------
    >>> allowed_above(0.29, 100)
    29
    """
    if not 0 <= quantile < 1:
        raise ShapebiasError(f"quantile: {quantile} is not in [0, 1)")
    return math.floor(Fraction(str(quantile)) * positions)


def check_thresholds(
    layer: str, channels: Sequence[int], thresholds: Float[Tensor, "quantile channel"]
) -> None:
    """Raise `ShapebiasError` if an activation of a layer was NaN."""
    invalid = thresholds.isnan().any(dim=0).nonzero().flatten().tolist()
    if invalid:
        raise ShapebiasError(
            f"activations of layer {layer}, channel {channels[invalid[0]]} are NaN: check the "
            "network's weights"
        )
