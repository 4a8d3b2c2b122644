"""The activation that a channel exceeds at a given fraction of all positions, exactly."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from fractions import Fraction

import torch
from jaxtyping import Float
from torch import Tensor

from shapebias.classifier import Classifier
from shapebias.errors import ShapebiasError


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
    largest: dict[str, Largest] = {}
    ranks: dict[str, list[int]] = {}
    seen = 0
    for batch in images:
        seen += len(batch)
        for layer, maps in chosen_maps(model, batch, channels):
            if layer not in largest:
                positions = n_images * maps.shape[2] * maps.shape[3]
                ranks[layer] = [allowed_above(one, positions) + 1 for one in quantiles]
                largest[layer] = Largest(max(ranks[layer]))
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


def chosen_maps(
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


class Largest:
    """The `number` largest values of each row of a stream, in memory for about twice as many.

    Once as many are kept, a new value waits only if it is above the least of its row; those that
    wait are put to the others when they are half as many.
    """

    def __init__(self, number: int):
        self.number = number
        self.kept: Tensor | None = None
        self.least: Tensor | None = None
        # Whole pieces until as many are kept; from then on single values, and how many a row.
        self.waiting: list[Tensor] = []
        self.counts: list[Tensor] = []

    def add(self, values: Float[Tensor, "channel value"]) -> None:
        """Take the next values of every row."""
        enough = self.number
        if self.kept is not None:
            # Not "above": what is not a number stays, and shows.
            entering = ~(values <= self.least[:, None])
            self.counts.append(entering.sum(dim=1))
            values, enough = values[entering], len(values) * self.number // 2
        self.waiting.append(values)
        if sum(piece.shape[-1] for piece in self.waiting) >= enough:
            self._merge()

    def ranked(self, ranks: Sequence[int]) -> Float[Tensor, "rank channel"]:
        """The first, second, third ... largest of each row, for ranks up to `number`.

        A row that held anything that is not a number has nothing but such.
        """
        if self.waiting:
            self._merge()
        if list(ranks) == [self.number]:
            return self.least[None]
        found = self.kept.sort(dim=1, descending=True).values[:, [rank - 1 for rank in ranks]].T
        return torch.where(self.least.isnan(), self.least, found)

    def _merge(self) -> None:
        pieces = self.waiting if self.kept is None else [self.kept, self._padded()]
        # One piece, as of a large batch, need not be copied.
        values = pieces[0] if len(pieces) == 1 else torch.cat(pieces, dim=1)
        self.kept = values.topk(min(self.number, values.shape[1]), dim=1, sorted=False).values
        self.least = self.kept.amin(dim=1)
        self.waiting, self.counts = [], []

    def _padded(self) -> Float[Tensor, "channel value"]:
        """Values that wait, as a row a channel; where there are fewer, below any number."""
        counts = torch.stack(self.counts)
        before = counts.cumsum(dim=0) - counts
        longest = int(counts.sum(dim=0).max())
        padded = self.kept.new_full((len(self.kept), longest), -torch.inf)
        for piece, count, start in zip(self.waiting, counts, before, strict=True):
            row = torch.arange(len(count), device=piece.device).repeat_interleave(count)
            first = count.cumsum(dim=0) - count
            place = torch.arange(len(piece), device=piece.device) - first[row]
            padded[row, start[row] + place] = piece
        return padded


def _checked(
    layer: str, thresholds: Float[Tensor, "rank channel"], channels: Mapping[str, Sequence[int]]
) -> Float[Tensor, "rank channel"]:
    wrong = thresholds.isnan().any(dim=0).nonzero().flatten().tolist()
    if wrong:
        raise ShapebiasError(
            f"activations of layer {layer}, channel {channels[layer][wrong[0]]} are not numbers"
        )
    return thresholds
