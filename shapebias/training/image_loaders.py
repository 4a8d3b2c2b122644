"""Images of a training, in a random order: held in memory, or streamed from Parquet parts."""

import math
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Int, UInt8
from torch import Tensor

from shapebias.errors import ShapebiasError
from shapebias.io.image_codec import decode
from shapebias.io.image_sets import ImageSet, read_columns

Images = UInt8[Tensor, "image 3 row column"]
Order = Int[Tensor, " image"]
# Batches that are being decoded while one is trained on.
AHEAD = 3
WORKERS = 4


class InMemoryImages:
    """Images that are all in memory, decoded.

    Parameters
    ----------
    images
        On the device of the training.
    """

    def __init__(self, images: Images):
        self._images = images

    def __len__(self) -> int:
        return len(self._images)

    def size(self) -> tuple[int, int]:
        """Rows and columns of an image."""
        return tuple(self._images.shape[2:])

    def order(self, generator: torch.Generator) -> Order:
        """Indices of all images, each permutation as likely as any other."""
        return torch.randperm(len(self), generator=generator, device=generator.device)

    def batches(self, chosen: Sequence[Order], share: slice = slice(None)) -> Iterator[Images]:
        """Pixels of a share of each batch of indices."""
        for some in chosen:
            yield self._images[some[share]]


class StreamedImages:
    """Images of Parquet parts that are decoded when they are needed.

    Encoded images enter a buffer row group by row group, the groups in a random order, and leave
    it in a random order, so that an image's neighbours in its file are spread over as much of an
    epoch as the buffer holds.

    Parameters
    ----------
    paths
        Parts of an image set.
    buffer
        Bytes of encoded images that the buffer holds.
    device
        Where batches are put.
    """

    def __init__(self, paths: Sequence[str | Path], *, buffer: int, device: torch.device | str):
        self._groups = ImageSet(paths).groups
        counts = [len(group) for group in self._groups]
        self._starts = np.concatenate([[0], np.cumsum(counts)])
        size = sum(Path(path).stat().st_size for path in paths)
        self.room = max(1, int(len(self) * min(1.0, buffer / max(size, 1))))
        self._device = device

    def __len__(self) -> int:
        return int(self._starts[-1])

    def size(self) -> tuple[int, int]:
        """Rows and columns of an image, the first."""
        (first,) = self.batches([torch.tensor([0])])
        return tuple(first.shape[2:])

    def order(self, generator: torch.Generator) -> Order:
        """Indices of all images in a random order in which the buffer never overflows."""
        groups = torch.randperm(len(self._groups), generator=generator, device=generator.device)
        held, out = torch.empty(0, dtype=torch.long), []
        for group in groups.tolist():
            held = torch.cat([held, torch.arange(*self._starts[group : group + 2].tolist())])
            if len(held) > self.room:
                mixed = held[_permutation(len(held), generator)]
                out.append(mixed[self.room :])
                held = mixed[: self.room]
        return torch.cat([*out, held[_permutation(len(held), generator)]])

    def batches(self, chosen: Sequence[Order], share: slice = slice(None)) -> Iterator[Images]:
        """Pixels of a share of each batch of indices, decoded ahead by other threads."""
        if not chosen:
            return
        store: dict[int, tuple[bytes, str, int]] = {}
        # What no batch needs is not kept, and nothing is once its batch has gone.
        gone = np.ones(len(self), dtype=bool)
        gone[torch.cat(list(chosen)).numpy()] = False
        with ThreadPoolExecutor(WORKERS) as pool:
            waiting: deque[list[Future]] = deque()
            for some in chosen:
                mine = [self._taken(index, store, gone) for index in some.tolist()][share]
                waiting.append([pool.submit(self._pixels, *one) for one in mine])
                if len(waiting) > AHEAD:
                    yield self._stacked(waiting.popleft())
            while waiting:
                yield self._stacked(waiting.popleft())

    def _taken(self, index: int, store: dict, gone: np.ndarray) -> tuple[bytes, str, int]:
        if index not in store:
            group = int(np.searchsorted(self._starts, index, side="right")) - 1
            for place, (image_id, data) in enumerate(self._groups[group].encoded_images()):
                if not gone[(row := int(self._starts[group]) + place)]:
                    store[row] = (data, image_id, group)
        gone[index] = True
        return store.pop(index)

    def _pixels(self, data: bytes, image_id: str, group: int) -> np.ndarray:
        sizing = self._groups[group].sizing
        return decode(data, resize=sizing.resize, crop=sizing.crop, name=image_id)

    def _stacked(self, decoded: list[Future]) -> Images:
        pixels = [one.result() for one in decoded]
        if len({one.shape for one in pixels}) > 1:
            raise ShapebiasError(
                "training images differ in size: give their image set `resize` and `crop`"
            )
        batch = torch.from_numpy(np.stack(pixels).transpose(0, 3, 1, 2))
        return batch.to(self._device, non_blocking=True)


def samples_of(
    paths: Sequence[str | Path], *, memory: int, device: torch.device | str
) -> InMemoryImages | StreamedImages:
    """Images of Parquet parts: held where they fit, decoded, into so many bytes, else streamed."""
    streamed = StreamedImages(paths, buffer=memory, device=device)
    if not len(streamed):
        raise ShapebiasError("the training images are an empty set")
    if 3 * math.prod(streamed.size()) * len(streamed) > memory:
        print(
            f"{len(streamed)} images do not fit into {memory / 2**30:g} GiB and are streamed; what "
            f"comes next is drawn from {streamed.room} of them, as many as fit encoded"
        )
        return streamed
    chosen = torch.arange(len(streamed)).split(256)
    return InMemoryImages(torch.cat(list(streamed.batches(chosen))).contiguous())


def labels_in(paths: Sequence[str | Path]) -> list[tuple[str, str | None]]:
    """Id and label of every image of Parquet parts, none of them decoded."""
    frames = [read_columns(path, ["image_id", "label"]) for path in paths]
    return [
        (row.image_id, row.label if isinstance(row.label, str) else None)
        for frame in frames
        for row in frame.itertuples()
    ]


def _permutation(count: int, generator: torch.Generator) -> Order:
    return torch.randperm(count, generator=generator, device=generator.device).cpu()
