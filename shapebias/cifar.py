"""CIFAR-10 and CIFAR-100: the published batches, or image folders."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from shapebias.decoding import encode_png
from shapebias.errors import ShapebiasError, UnknownName
from shapebias.image_files import bounds_of, check_folder, class_files, image_row, slice_of
from shapebias.plain_pickles import read_plain_pickle


@dataclass(frozen=True)
class Layout:
    """What one of the two data sets looks like on disk.

    Parameters
    ----------
    folder
        Name of the published archive's folder.
    batches
        Files of each split.
    names
        File of the class names.
    labels
        For each label of a row, the key of the classes' numbers in a batch, and of their names.
    """

    folder: str
    batches: dict[str, tuple[str, ...]]
    names: str
    labels: dict[str, tuple[bytes, bytes]]


def open_cifar(layout: Layout, *, path: str, split: str) -> "CifarBatches | CifarFolders":
    """Source of one split, whichever of the two ways its images lie in a folder."""
    if split not in layout.batches:
        raise UnknownName(f"split of {layout.folder}", split, layout.batches)
    root = Path(path)
    check_folder(root)
    for folder in (root, root / layout.folder):
        if (folder / layout.names).is_file():
            return CifarBatches(layout, folder, split)
    if (root / split).is_dir():
        return CifarFolders(root, split)
    raise ShapebiasError(
        f"{root} holds neither {layout.names} of the published archive nor {split}/<class>/"
    )


class CifarBatches:
    """Rows of the published batches; the pixels that they hold become PNG files."""

    def __init__(self, layout: Layout, folder: Path, split: str):
        self.layout, self.folder, self.split = layout, folder, split

    @cached_property
    def counts(self) -> list[int]:
        """Number of images in each batch."""
        return [len(batch[b"data"]) for batch in self._batches()]

    @cached_property
    def names(self) -> dict[str, list[str]]:
        """Class names of each label, in the order of their numbers."""
        found = read_plain_pickle(self.folder / self.layout.names)
        try:
            return {
                label: [_text(name) for name in found[key]]
                for label, (_, key) in self.layout.labels.items()
            }
        except (KeyError, TypeError) as error:
            raise ShapebiasError(
                f"{self.folder / self.layout.names} has no class names {error}"
            ) from error

    def __len__(self) -> int:
        return sum(self.counts)

    def rows(self, part: int, parts: int) -> Iterator[dict]:
        """Rows of one contiguous part (from 0) of the images, in the published order."""
        first, last = bounds_of(len(self), part, parts)
        start = 0
        for number, count in enumerate(self.counts):
            chosen = range(max(first - start, 0), min(last - start, count))
            if chosen:
                (batch,) = self._batches([self.layout.batches[self.split][number]])
                for index in chosen:
                    yield self._row(batch, index, start + index)
            start += count

    def _row(self, batch: dict[bytes, Any], index: int, number: int) -> dict:
        pixels = batch[b"data"][index].reshape(3, 32, 32).transpose(1, 2, 0)
        labels = {
            label: self.names[label][batch[key][index]]
            for label, (key, _) in self.layout.labels.items()
        }
        path = _text(batch[b"filenames"][index]) if b"filenames" in batch else None
        image_id = f"{self.split}-{number:05d}"
        return {"image_id": image_id, "image": encode_png(pixels), "path": path, **labels}

    def _batches(self, files: Sequence[str] | None = None) -> Iterator[dict[bytes, Any]]:
        for name in files or self.layout.batches[self.split]:
            batch = read_plain_pickle(self.folder / name)
            self._check(batch, self.folder / name)
            yield batch

    def _check(self, batch: Any, file: Path) -> None:
        """Raise `ShapebiasError` unless a batch holds as many labels as images of 32x32 pixels."""
        keys = [key for key, _ in self.layout.labels.values()]
        if not isinstance(batch, dict) or not {b"data", *keys} <= batch.keys():
            raise ShapebiasError(f"{file} is no batch of {self.layout.folder}; get the file anew")
        data = batch[b"data"]
        if not isinstance(data, np.ndarray) or data.ndim != 2 or data.shape[1] != 3 * 32 * 32:
            raise ShapebiasError(f"{file} does not hold images of 32×32 pixels and three colours")
        for (label, names), key in zip(self.names.items(), keys, strict=True):
            if len(batch[key]) != len(data) or not set(batch[key]) <= set(range(len(names))):
                raise ShapebiasError(f"{file}: its {label}s do not fit its images or the classes")


class CifarFolders:
    """Rows of images in folders `<split>/<class>/`, with the files' own bytes."""

    def __init__(self, folder: Path, split: str):
        self.folder, self.split = folder, split

    @cached_property
    def files(self) -> list[str]:
        """Files `<class>/<name>` of the split, sorted."""
        return class_files(self.folder / self.split)

    def __len__(self) -> int:
        return len(self.files)

    def rows(self, part: int, parts: int) -> Iterator[dict]:
        """Rows of one contiguous part (from 0) of the images."""
        for name in slice_of(self.files, part, parts):
            row = image_row(self.folder, f"{self.split}/{name}")
            yield {**row, "label": name.partition("/")[0]}


def _text(name: bytes | str) -> str:
    return name.decode("utf-8") if isinstance(name, bytes) else name
