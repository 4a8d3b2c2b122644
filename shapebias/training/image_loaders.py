"""Training images in a random order: held in memory, or streamed from Parquet parts."""

import math
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Int, UInt8
from torch import Tensor

from shapebias.errors import ShapebiasError
from shapebias.io.image_codec import decode
from shapebias.io.image_sets import ImageSet, read_columns

Images = UInt8[Tensor, "image 3 row column"]
Indices = Int[Tensor, " image"]
Batches = Sequence[Int[Tensor, " _"]]
# Encoded image, its id, and the index of its row group.
Encoded = tuple[bytes, str, int]
# Batches that are decoded ahead of the training.
AHEAD = 3
WORKERS = 4


class InMemoryImages:
    """Decoded images in memory.

    Parameters
    ----------
    images
        sRGB pixels, 0 to 255, on the device of the training.
    """

    def __init__(self, images: Images):
        self._images = images

    def __len__(self) -> int:
        return len(self._images)

    def size(self) -> tuple[int, int]:
        """Rows and columns of an image."""
        return tuple(self._images.shape[2:])

    def order(self, generator: torch.Generator) -> Indices:
        """Draw a permutation of all images, uniformly."""
        return torch.randperm(len(self), generator=generator, device=generator.device)

    def batches(
        self, batches: Batches, share: slice = slice(None)
    ) -> Iterator[UInt8[Tensor, "_ 3 _ _"]]:
        """Yield the pixels of a share of each batch of indices."""
        for indices in batches:
            yield self._images[indices[share]]


class StreamedImages:
    """Images of Parquet parts, decoded when they are needed.

    Encoded images enter a buffer row group by row group, the groups in a random order, and leave
    it in a random order. Neighbours in a file are thus spread over as much of an epoch as the
    buffer holds.

    Parameters
    ----------
    paths
        Parts of an image set.
    buffer
        Size of the buffer of encoded images, in bytes.
    device
        Device of the batches.

    Attributes
    ----------
    buffer_size
        Number of images that the buffer holds.
    """

    def __init__(self, paths: Sequence[str | Path], *, buffer: int, device: torch.device | str):
        self._groups = ImageSet(paths).groups
        counts = [len(group) for group in self._groups]
        self._starts = np.concatenate([[0], np.cumsum(counts)])
        size = sum(Path(path).stat().st_size for path in paths)
        self.buffer_size = max(1, int(len(self) * min(1.0, buffer / max(size, 1))))
        self._device = device

    def __len__(self) -> int:
        return int(self._starts[-1])

    def size(self) -> tuple[int, int]:
        """Rows and columns of the first image."""
        (image,) = self.batches([torch.tensor([0])])
        return tuple(image.shape[2:])

    def order(self, generator: torch.Generator) -> Indices:
        """Draw an order of all images in which the buffer never overflows."""
        groups = torch.randperm(len(self._groups), generator=generator, device=generator.device)
        buffered, order = torch.empty(0, dtype=torch.long), []
        for group in groups.tolist():
            rows = torch.arange(*self._starts[group : group + 2].tolist())
            buffered = torch.cat([buffered, rows])
            if len(buffered) > self.buffer_size:
                mixed = buffered[_permutation(len(buffered), generator)]
                order.append(mixed[self.buffer_size :])
                buffered = mixed[: self.buffer_size]
        return torch.cat([*order, buffered[_permutation(len(buffered), generator)]])

    def batches(
        self, batches: Batches, share: slice = slice(None)
    ) -> Iterator[UInt8[Tensor, "_ 3 _ _"]]:
        """Yield the pixels of a share of each batch of indices, decoded ahead in threads."""
        if not batches:
            return
        buffer: dict[int, Encoded] = {}
        # Images that no batch needs, or whose batch has been yielded, do not enter the buffer.
        consumed = np.ones(len(self), dtype=bool)
        consumed[torch.cat(list(batches)).numpy()] = False
        with ThreadPoolExecutor(WORKERS) as pool:
            pending: deque[list[Future]] = deque()
            for indices in batches:
                files = [self._pop(index, buffer, consumed) for index in indices.tolist()][share]
                pending.append([pool.submit(self._decode, *file) for file in files])
                if len(pending) > AHEAD:
                    yield self._stack(pending.popleft())
            while pending:
                yield self._stack(pending.popleft())

    def _pop(
        self, index: int, buffer: dict[int, Encoded], consumed: Bool[np.ndarray, " image"]
    ) -> Encoded:
        """Take an image out of the buffer, after reading its row group if it is not in there."""
        if index not in buffer:
            group = int(np.searchsorted(self._starts, index, side="right")) - 1
            start = int(self._starts[group])
            for row, (image_id, data) in enumerate(self._groups[group].encoded_images(), start):
                if not consumed[row]:
                    buffer[row] = (data, image_id, group)
        consumed[index] = True
        return buffer.pop(index)

    def _decode(self, data: bytes, image_id: str, group: int) -> UInt8[np.ndarray, "row column 3"]:
        sizing = self._groups[group].sizing
        return decode(data, resize=sizing.resize, crop=sizing.crop, name=image_id)

    def _stack(self, images: list[Future]) -> Images:
        pixels = [image.result() for image in images]
        if len({image.shape for image in pixels}) > 1:
            raise ShapebiasError(
                "training images differ in size: give their image set `resize` and `crop`"
            )
        batch = torch.from_numpy(np.stack(pixels).transpose(0, 3, 1, 2))
        return batch.to(self._device, non_blocking=True)


def load_images(
    paths: Sequence[str | Path], *, memory: int, device: torch.device | str
) -> InMemoryImages | StreamedImages:
    """Open the images of Parquet parts: in memory if they fit, else streamed.

    Parameters
    ----------
    memory
        Bytes for decoded images, or for the buffer of a stream.

    Raises
    ------
    ShapebiasError
        If there is no image, or images in memory differ in size.
    """
    streamed = StreamedImages(paths, buffer=memory, device=device)
    if not len(streamed):
        raise ShapebiasError("the set of training images is empty")
    if 3 * math.prod(streamed.size()) * len(streamed) > memory:
        print(
            f"{len(streamed)} images do not fit into {memory / 2**30:g} GiB and are streamed "
            f"through a buffer of {streamed.buffer_size} encoded images"
        )
        return streamed
    batches = torch.arange(len(streamed)).split(256)
    return InMemoryImages(torch.cat(list(streamed.batches(batches))).contiguous())


def read_labels(paths: Sequence[str | Path]) -> list[tuple[str, str | None]]:
    """Read the id and label of every image of Parquet parts, without decoding an image."""
    frames = [read_columns(path, ["image_id", "label"]) for path in paths]
    return [
        (row.image_id, row.label if isinstance(row.label, str) else None)
        for frame in frames
        for row in frame.itertuples()
    ]


def _permutation(count: int, generator: torch.Generator) -> Indices:
    return torch.randperm(count, generator=generator, device=generator.device).cpu()
