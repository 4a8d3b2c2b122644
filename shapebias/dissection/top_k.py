"""Streaming top-k: the largest values of each channel, exactly, in bounded memory."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

# Values per chunk of channels.
CHUNK = 2**20
# Pending values are merged when they exceed this fraction of the stored ones.
PENDING = 1 / 16


class StreamingTopK:
    """Running statistic: values of given ranks in each row of a stream.

    Parameters
    ----------
    ranks
        Ranks to return, from 1 for the largest value.

    Notes
    -----
    The memory is about a tenth more than that of the largest rank's number of values per row. Rows
    are stored in chunks, so that merging needs extra memory for one chunk only.
    """

    def __init__(self, ranks: Sequence[int]):
        self.ranks = list(ranks)
        self.number = max(self.ranks)
        self.chunks: list[_Chunk] = []

    def add(self, values: Float[Tensor, "channel value"]) -> None:
        """Add values to each row."""
        n_rows = max(1, CHUNK // max(self.number, values.shape[1]))
        parts = values.split(len(self.chunks[0].top) if self.chunks else n_rows)
        if not self.chunks:
            self.chunks = [_Chunk(self.number, part) for part in parts]
        for chunk, part in zip(self.chunks, parts, strict=True):
            chunk.add(part)

    def result(self) -> Float[Tensor, "rank channel"]:
        """Values of the ranks in each row; all NaN in rows with a NaN."""
        return torch.cat([chunk.ranked(self.ranks) for chunk in self.chunks], dim=1)


class _Chunk:
    """Rows of `StreamingTopK`.

    Once `top` is full, only values above the smallest value of their row are stored, as pending.
    Pending values are merged into `top` when there are enough of them.
    """

    def __init__(self, number: int, like: Float[Tensor, "channel value"]):
        self.top = like.new_empty((len(like), number))
        self.filled = 0
        # Pending values of each added batch, their number per row, and their number in all.
        self.pending: list[Tensor] = []
        self.counts: list[Tensor] = []
        self.total = 0

    def add(self, values: Float[Tensor, "channel value"]) -> None:
        """Add values to each row."""
        if self.filled < self.top.shape[1]:
            self._fill(values)
            return
        # Negated so that NaN is stored and shows in the result.
        entering = ~(values <= self.smallest[:, None])
        self.counts.append(entering.sum(dim=1))
        self.pending.append(values[entering])
        self.total += len(self.pending[-1])
        if self.total >= PENDING * self.top.numel():
            self._merge()

    def ranked(self, ranks: Sequence[int]) -> Float[Tensor, "rank channel"]:
        """Values of the ranks in each row."""
        if self.total:
            self._merge()
        if list(ranks) == [self.top.shape[1]]:
            return self.smallest[None]
        values = self.top.sort(dim=1, descending=True).values[:, [rank - 1 for rank in ranks]].T
        return torch.where(self.smallest.isnan(), self.smallest, values)

    def _fill(self, values: Float[Tensor, "channel value"]) -> None:
        number, end = self.top.shape[1], self.filled + values.shape[1]
        if end <= number:
            self.top[:, self.filled : end] = values
        else:
            values = torch.cat([self.top[:, : self.filled], values], dim=1)
            self.top.copy_(_largest(values, number))
        self.filled = min(end, number)
        if self.filled == number:
            self.smallest = self.top.amin(dim=1)

    def _merge(self) -> None:
        values = torch.cat([self.top, self._padded()], dim=1)
        self.top.copy_(_largest(values, self.top.shape[1]))
        self.smallest = self.top.amin(dim=1)
        self.pending, self.counts, self.total = [], [], 0

    def _padded(self) -> Float[Tensor, "channel value"]:
        """Pending values, one row per channel, padded with -inf."""
        counts = torch.stack(self.counts)
        before = counts.cumsum(dim=0) - counts
        longest = int(counts.sum(dim=0).max())
        padded = self.top.new_full((len(self.top), longest), -torch.inf)
        for values, count, start in zip(self.pending, counts, before, strict=True):
            row = torch.arange(len(count), device=values.device).repeat_interleave(count)
            first = count.cumsum(dim=0) - count
            offset = torch.arange(len(values), device=values.device) - first[row]
            padded[row, start[row] + offset] = values
        return padded


def _largest(values: Float[Tensor, "channel value"], number: int) -> Float[Tensor, "channel top"]:
    """Largest values of each row, in any order; reorders the input on the CPU."""
    if values.device.type != "cpu":
        return values.topk(number, dim=1, sorted=False).values
    # In place and several times as fast as torch.topk, which also stores an index per value.
    values.numpy().partition(values.shape[1] - number, axis=1)
    return values[:, -number:]
