"""The activation that a channel exceeds at a given fraction of all positions, exactly."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from fractions import Fraction

import torch
from jaxtyping import Float
from torch import Tensor

from shapebias.classifier import Classifier
from shapebias.errors import ShapebiasError
from shapebias.evaluation import evaluating

# Values of a layer that are put in order at a time; and the share of those kept that may wait.
BLOCK, WAITING = 2**20, 1 / 16


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


def bytes_held(
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
    with evaluating(model):
        for _, maps in chosen_maps(model, blank, channels):
            positions = n_images * maps.shape[2] * maps.shape[3]
            values += maps.shape[1] * (allowed_above(max(quantiles), positions) + 1)
    return math.ceil(values * (1 + WAITING) * blank.element_size())


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
    """The `number` largest values of each row of a stream, in memory for a tenth more than those.

    Rows are kept in blocks, so that what putting in new values takes besides is that of a block.
    """

    def __init__(self, number: int):
        self.number = number
        self.blocks: list[_Block] = []

    def add(self, values: Float[Tensor, "channel value"]) -> None:
        """Take the next values of every row."""
        new = max(1, BLOCK // max(self.number, values.shape[1]))
        pieces = values.split(len(self.blocks[0].kept) if self.blocks else new)
        if not self.blocks:
            self.blocks = [_Block(self.number, piece) for piece in pieces]
        for block, piece in zip(self.blocks, pieces, strict=True):
            block.add(piece)

    def ranked(self, ranks: Sequence[int]) -> Float[Tensor, "rank channel"]:
        """The first, second, third ... largest of each row, for ranks up to `number`.

        A row that held anything that is not a number has nothing but such.
        """
        return torch.cat([block.ranked(ranks) for block in self.blocks], dim=1)


class _Block:
    """Some rows of `Largest`.

    Once as many are kept, a new value waits only if it is above the least of its row; those that
    wait are put to the others when they are a share `WAITING` as many.
    """

    def __init__(self, number: int, like: Float[Tensor, "channel value"]):
        self.kept = like.new_empty((len(like), number))
        self.filled = 0
        # Values above the least, how many a row in each piece, and how many in all.
        self.waiting: list[Tensor] = []
        self.counts: list[Tensor] = []
        self.total = 0

    def add(self, values: Float[Tensor, "channel value"]) -> None:
        number = self.kept.shape[1]
        if self.filled < number:
            self._fill(values)
            return
        # Not "above": what is not a number stays, and shows.
        entering = ~(values <= self.least[:, None])
        self.counts.append(entering.sum(dim=1))
        self.waiting.append(values[entering])
        self.total += len(self.waiting[-1])
        if self.total >= WAITING * self.kept.numel():
            self._merge()

    def ranked(self, ranks: Sequence[int]) -> Float[Tensor, "rank channel"]:
        if self.total:
            self._merge()
        if list(ranks) == [self.kept.shape[1]]:
            return self.least[None]
        found = self.kept.sort(dim=1, descending=True).values[:, [rank - 1 for rank in ranks]].T
        return torch.where(self.least.isnan(), self.least, found)

    def _fill(self, values: Float[Tensor, "channel value"]) -> None:
        number, end = self.kept.shape[1], self.filled + values.shape[1]
        if end <= number:
            self.kept[:, self.filled : end] = values
        else:
            values = torch.cat([self.kept[:, : self.filled], values], dim=1)
            self.kept.copy_(_largest(values, number))
        self.filled = min(end, number)
        if self.filled == number:
            self.least = self.kept.amin(dim=1)

    def _merge(self) -> None:
        values = torch.cat([self.kept, self._padded()], dim=1)
        self.kept.copy_(_largest(values, self.kept.shape[1]))
        self.least = self.kept.amin(dim=1)
        self.waiting, self.counts, self.total = [], [], 0

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


def _largest(values: Float[Tensor, "channel value"], number: int) -> Tensor:
    """The largest of each row, in any order; the values are left in another order."""
    if values.device.type != "cpu":
        return values.topk(number, dim=1, sorted=False).values
    # In place, where torch holds an index for every value, and several times as fast.
    values.numpy().partition(values.shape[1] - number, axis=1)
    return values[:, -number:]


def _checked(
    layer: str, thresholds: Float[Tensor, "rank channel"], channels: Mapping[str, Sequence[int]]
) -> Float[Tensor, "rank channel"]:
    wrong = thresholds.isnan().any(dim=0).nonzero().flatten().tolist()
    if wrong:
        raise ShapebiasError(
            f"activations of layer {layer}, channel {channels[layer][wrong[0]]} are not numbers"
        )
    return thresholds
