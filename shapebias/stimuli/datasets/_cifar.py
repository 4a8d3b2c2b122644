"""CIFAR-10 and CIFAR-100: the published batches, or image folders."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from shapebias.errors import ShapebiasError, UnknownName
from shapebias.io.image_codec import encode_png
from shapebias.stimuli.datasets._cifar_pickle import read_plain_pickle
from shapebias.stimuli.image_folders import (
    bounds_of,
    check_folder,
    files_in_classes,
    image_row,
    slice_of,
)


@dataclass(frozen=True)
class Layout:
    """What one of the two data sets looks like on disk.

    Parameters
    ----------
    folder
        Name of the published archive's folder.
    batches
        Files of each split.
    images
        Number of images in each file of a split.
    names
        File of the class names.
    labels
        For each label of a row, the key of the classes' numbers in a batch, and of their names.
    """

    folder: str
    batches: dict[str, tuple[str, ...]]
    images: dict[str, int]
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
    def names(self) -> dict[str, list[str]]:
        """Class names of each label, in the order of their numbers."""
        file = self.folder / self.layout.names
        found = read_plain_pickle(file)
        keys = {label: key for label, (_, key) in self.layout.labels.items()}
        for key in keys.values():
            if not isinstance(found, dict) or not _are_names(found.get(key)):
                raise ShapebiasError(
                    f"{file} has no class names under {key.decode()!r}; get the file anew"
                )
        return {label: list(map(_text, found[key])) for label, key in keys.items()}

    def __len__(self) -> int:
        return len(self.layout.batches[self.split]) * self.layout.images[self.split]

    def rows(self, part: int, parts: int) -> Iterator[dict]:
        """Rows of one contiguous part (from 0) of the images, in the published order."""
        first, last = bounds_of(len(self), part, parts)
        count = self.layout.images[self.split]
        for number, name in enumerate(self.layout.batches[self.split]):
            start = number * count
            chosen = range(max(first - start, 0), min(last - start, count))
            if chosen:
                batch = self._batch(self.folder / name)
                for index in chosen:
                    yield self._row(batch, index, start + index)

    def _row(self, batch: dict[bytes, Any], index: int, number: int) -> dict:
        pixels = batch[b"data"][index].reshape(3, 32, 32).transpose(1, 2, 0)
        labels = {
            label: self.names[label][batch[key][index]]
            for label, (key, _) in self.layout.labels.items()
        }
        path = _text(batch[b"filenames"][index]) if b"filenames" in batch else None
        image_id = f"{self.split}-{number:05d}"
        return {"image_id": image_id, "image": encode_png(pixels), "path": path, **labels}

    def _batch(self, file: Path) -> dict[bytes, Any]:
        """Content of a batch, once it is sure to hold so many images, labels and file names."""
        batch = read_plain_pickle(file)
        keys = [key for key, _ in self.layout.labels.values()]
        if not isinstance(batch, dict) or not {b"data", *keys} <= batch.keys():
            raise ShapebiasError(f"{file} is no batch of {self.layout.folder}; get the file anew")
        data, count = batch[b"data"], self.layout.images[self.split]
        if not isinstance(data, np.ndarray) or data.ndim != 2 or data.shape[1] != 3 * 32 * 32:
            raise ShapebiasError(
                f"{file} does not hold images of 32×32 pixels and three colours; get the file anew"
            )
        if len(data) != count:
            raise ShapebiasError(
                f"{file} holds {len(data)} images; {count} were published: get the file anew"
            )
        for (label, names), key in zip(self.names.items(), keys, strict=True):
            if not _are_numbers(batch[key], count, below=len(names)):
                raise ShapebiasError(
                    f"{file}: its {label}s do not fit its images or the classes; get the file anew"
                )
        files = batch.get(b"filenames")
        if b"filenames" in batch and not (_are_names(files) and len(files) == count):
            raise ShapebiasError(
                f"{file}: its file names do not fit its images, or are no text; get the file anew"
            )
        return batch


class CifarFolders:
    """Rows of images in folders `<split>/<class>/`, with the files' own bytes."""

    def __init__(self, folder: Path, split: str):
        self.folder, self.split = folder, split

    @cached_property
    def files(self) -> list[str]:
        """Files `<class>/<name>` of the split, sorted."""
        return files_in_classes(self.folder / self.split).files

    def __len__(self) -> int:
        return len(self.files)

    def rows(self, part: int, parts: int) -> Iterator[dict]:
        """Rows of one contiguous part (from 0) of the images."""
        for name in slice_of(self.files, part, parts):
            row = image_row(self.folder, f"{self.split}/{name}")
            yield {**row, "label": name.partition("/")[0]}


def _are_numbers(values: Any, count: int, *, below: int) -> bool:
    """Whether these are a list or array of so many class numbers."""
    values = values.tolist() if isinstance(values, np.ndarray) else values
    known = set(range(below))
    return (
        isinstance(values, list)
        and len(values) == count
        and all(type(one) is int and one in known for one in values)
    )


def _are_names(values: Any) -> bool:
    """Whether these are a list of text, or of bytes that are text."""
    try:
        return isinstance(values, list) and all(isinstance(_text(one), str) for one in values)
    except UnicodeDecodeError:
        return False


def _text(name: bytes | str) -> str:
    return name.decode("utf-8") if isinstance(name, bytes) else name
