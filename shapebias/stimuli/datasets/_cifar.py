"""CIFAR-10 and CIFAR-100: the published batches, or image folders."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np

from shapebias.errors import ShapebiasError
from shapebias.io.image_codec import encode_png
from shapebias.plugins import FilePath
from shapebias.stimuli.datasets._cifar_pickle import read_plain_pickle
from shapebias.stimuli.image_folders import (
    bounds_of,
    check_folder,
    files_in_classes,
    image_row,
    slice_of,
)


@dataclass(frozen=True)
class Archive:
    """Files of one of the two published archives.

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
        For each label of a row, the key of the class numbers in a batch, and of their names.
    """

    folder: str
    batches: dict[str, tuple[str, ...]]
    images: dict[str, int]
    names: str
    labels: dict[str, tuple[bytes, bytes]]


@dataclass(frozen=True, kw_only=True)
class CifarSource:
    """Base of the plug-ins `cifar10` and `cifar100`.

    Parameters
    ----------
    path
        The unpacked "python version" (cifar-10-batches-py, cifar-100-python) or the folder that
        contains it; or a folder of images `train/<class>/` and `test/<class>/`. The pickles are
        read without executing anything in them.
    split
        "train" or "test".

    Raises
    ------
    ShapebiasError
        If the folder does not exist or contains neither, or a batch is not as published.
    """

    path: FilePath
    split: Literal["train", "test"]

    ARCHIVE: ClassVar[Archive]

    def __post_init__(self):
        # A missing folder is reported when the source is built.
        _ = self.images

    @property
    def folder(self) -> Path:
        """Folder of the archive or of the image folders."""
        return Path(self.path)

    @cached_property
    def images(self) -> "CifarBatches | CifarFolders":
        """Images of the split, from the published batches or from image folders."""
        check_folder(self.folder)
        for folder in (self.folder, self.folder / self.ARCHIVE.folder):
            if (folder / self.ARCHIVE.names).is_file():
                return CifarBatches(self.ARCHIVE, folder, self.split)
        if (self.folder / self.split).is_dir():
            return CifarFolders(self.folder, self.split)
        raise ShapebiasError(
            f"{self.folder} holds neither {self.ARCHIVE.names} of the published archive nor "
            f"{self.split}/<class>/"
        )

    def __len__(self) -> int:
        return len(self.images)

    def rows(self, part: int, parts: int) -> Iterator[dict[str, Any]]:
        """Rows of one contiguous part (from 0) of the images."""
        return self.images.rows(part, parts)


class CifarBatches:
    """Rows of the published batches, whose pixels are stored as PNG files."""

    def __init__(self, archive: Archive, folder: Path, split: str):
        self.archive, self.folder, self.split = archive, folder, split

    @cached_property
    def names(self) -> dict[str, list[str]]:
        """Class names of each label, in the order of their numbers."""
        file = self.folder / self.archive.names
        meta = read_plain_pickle(file)
        keys = {label: key for label, (_, key) in self.archive.labels.items()}
        for key in keys.values():
            if not isinstance(meta, dict) or not _are_names(meta.get(key)):
                raise ShapebiasError(
                    f"{file} has no class names under {key.decode()!r}; download the file again"
                )
        return {label: list(map(_text, meta[key])) for label, key in keys.items()}

    def __len__(self) -> int:
        return len(self.archive.batches[self.split]) * self.archive.images[self.split]

    def rows(self, part: int, parts: int) -> Iterator[dict[str, Any]]:
        """Rows of one contiguous part (from 0) of the images, in the published order."""
        first, last = bounds_of(len(self), part, parts)
        count = self.archive.images[self.split]
        for number, name in enumerate(self.archive.batches[self.split]):
            start = number * count
            indices = range(max(first - start, 0), min(last - start, count))
            if indices:
                batch = self._batch(self.folder / name)
                for index in indices:
                    yield self._row(batch, index, start + index)

    def _row(self, batch: dict[bytes, Any], index: int, number: int) -> dict[str, Any]:
        pixels = batch[b"data"][index].reshape(3, 32, 32).transpose(1, 2, 0)
        labels = {
            label: self.names[label][batch[key][index]]
            for label, (key, _) in self.archive.labels.items()
        }
        path = _text(batch[b"filenames"][index]) if b"filenames" in batch else None
        image_id = f"{self.split}-{number:05d}"
        return {"image_id": image_id, "image": encode_png(pixels), "path": path, **labels}

    def _batch(self, file: Path) -> dict[bytes, Any]:
        """Content of a batch, after checking its images, labels and file names."""
        batch = read_plain_pickle(file)
        keys = [key for key, _ in self.archive.labels.values()]
        if not isinstance(batch, dict) or not {b"data", *keys} <= batch.keys():
            raise ShapebiasError(
                f"{file} is not a batch of {self.archive.folder}; download the file again"
            )
        data, count = batch[b"data"], self.archive.images[self.split]
        if not isinstance(data, np.ndarray) or data.ndim != 2 or data.shape[1] != 3 * 32 * 32:
            raise ShapebiasError(
                f"{file} does not hold images of 32×32 pixels and three colours; "
                "download the file again"
            )
        if len(data) != count:
            raise ShapebiasError(
                f"{file} holds {len(data)} images; {count} were published: download the file again"
            )
        for (label, names), key in zip(self.names.items(), keys, strict=True):
            if not _are_numbers(batch[key], count, below=len(names)):
                raise ShapebiasError(
                    f"{file}: its {label}s do not fit its images or the classes; "
                    "download the file again"
                )
        files = batch.get(b"filenames")
        if b"filenames" in batch and not (_are_names(files) and len(files) == count):
            raise ShapebiasError(
                f"{file}: its file names do not fit its images, or are not text; "
                "download the file again"
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

    def rows(self, part: int, parts: int) -> Iterator[dict[str, Any]]:
        """Rows of one contiguous part (from 0) of the images."""
        for name in slice_of(self.files, part, parts):
            row = image_row(self.folder, f"{self.split}/{name}")
            yield {**row, "label": name.partition("/")[0]}


def _are_numbers(values: Any, count: int, *, below: int) -> bool:
    """Whether these are a list or array of `count` class numbers."""
    values = values.tolist() if isinstance(values, np.ndarray) else values
    known = set(range(below))
    return (
        isinstance(values, list)
        and len(values) == count
        and all(type(value) is int and value in known for value in values)
    )


def _are_names(values: Any) -> bool:
    """Whether these are a list of texts, or of bytes that are text."""
    if not isinstance(values, list) or not all(isinstance(name, bytes | str) for name in values):
        return False
    try:
        list(map(_text, values))
    except UnicodeDecodeError:
        return False
    return True


def _text(name: bytes | str) -> str:
    return name.decode("utf-8") if isinstance(name, bytes) else name
