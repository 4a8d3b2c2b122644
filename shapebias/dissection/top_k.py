"""Streaming top-k: the largest values of every channel, exactly, in bounded memory."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

# Values of a layer that are put in order at a time; and the share of those kept that may wait.
BLOCK, PENDING = 2**20, 1 / 16


class StreamingTopK:
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
    """Some rows of `StreamingTopK`.

    Once as many are kept, a new value waits only if it is above the least of its row; those that
    wait are put to the others when they are a share `PENDING` as many.
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
        if self.total >= PENDING * self.kept.numel():
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
