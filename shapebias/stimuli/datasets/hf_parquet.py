"""Parquet shards whose images follow the Hugging Face convention."""

import json
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq

from shapebias.errors import ShapebiasError, UnknownName
from shapebias.plugins import FilePath, plugin
from shapebias.stimuli.entry_level_classes import imagenet_classes
from shapebias.stimuli.image_folders import bounds_of, check_folder

ROWS_AT_A_TIME = 32


@plugin
class HuggingFaceParquet:
    """Images in Parquet files, each a struct of an encoded file's bytes and its path.

    Parameters
    ----------
    path
        Folder of the files, at any depth.
    split
        Start of the file names up to the first dash: "train" for train-00000-of-00014.parquet.
        None for all files.
    image, label
        Columns of the image and its label; None where there is no label.
    classes
        "named": the names that the file's metadata give for the labels' numbers, or the number or
        text itself where there are none. "imagenet": the synset of each of the numbers 0 to 999.

    Raises
    ------
    ShapebiasError
        If the folder does not exist or contains no such file, or if a file lacks a column, has one
        of another type, or has metadata that cannot be parsed.

    References
    ----------
    .. [1] https://huggingface.co/docs/datasets/image_dataset
    """

    path: FilePath
    split: str | None = None
    image: str = "image"
    label: str | None = "label"
    classes: Literal["named", "imagenet"] = "named"

    def __post_init__(self):
        check_folder(self.folder)

    @property
    def folder(self) -> Path:
        """Folder of the Parquet files."""
        return Path(self.path)

    @cached_property
    def shards(self) -> list[tuple[str, int]]:
        """Each file's name relative to the folder, with its number of rows, sorted."""
        names = sorted(file.relative_to(self.folder).as_posix() for file in self._files())
        if not names:
            pattern = f"{self.split}-*.parquet" if self.split else "*.parquet"
            raise ShapebiasError(f"{self.folder} holds no file {pattern}")
        return [(name, self._rows_in(name)) for name in names]

    def __len__(self) -> int:
        return sum(count for _, count in self.shards)

    def rows(self, part: int, parts: int) -> Iterator[dict[str, Any]]:
        """Rows of one contiguous part (from 0) of the images, with the files' own bytes."""
        first, last = bounds_of(len(self), part, parts)
        start = 0
        for name, count in self.shards:
            indices = range(max(first - start, 0), min(last - start, count))
            if indices:
                yield from self._of_shard(name, indices)
            start += count

    def _of_shard(self, name: str, indices: range) -> Iterator[dict[str, Any]]:
        stem = name.removesuffix(".parquet")
        with self._open(name) as file:
            names = self._class_names(file, name)
            try:
                for index, row in _numbered(file, self._columns(), indices):
                    label = self._label(row, names, name)
                    yield {"image_id": f"{stem}/{index:06d}", **self._image(row), "label": label}
            except (pa.ArrowException, OSError) as error:
                raise self._damaged(name, error) from error

    def _image(self, row: dict[str, Any]) -> dict[str, Any]:
        cell = row[self.image] or {}
        cell = {"bytes": cell} if isinstance(cell, bytes) else cell
        data, path = cell.get("bytes"), cell.get("path")
        if data is None:
            return {"image": None, "path": path, "rejected": "its row holds no bytes"}
        return {"image": data, "path": path}

    def _label(self, row: dict[str, Any], names: list[str] | None, file: str) -> str | None:
        value = row[self.label] if self.label else None
        # Hugging Face writes -1 where a label is withheld.
        if value in (None, -1) or names is None or isinstance(value, str):
            return None if value in (None, -1) else str(value)
        if value not in range(len(names)):
            raise ShapebiasError(
                f"{self.folder / file}: label {value} is none of the {len(names)} classes"
            )
        return names[value]

    def _class_names(self, file: pq.ParquetFile, name: str) -> list[str] | None:
        """Class names by label number, from the metadata; None where there are none."""
        if self.classes == "imagenet" or self.label is None:
            return list(imagenet_classes()) if self.label else None
        metadata = (file.schema_arrow.metadata or {}).get(b"huggingface", b"{}")
        try:
            return _class_names(metadata, self.label)
        except (ValueError, TypeError, AttributeError) as error:
            raise ShapebiasError(
                f"{self.folder / name}: its Hugging Face metadata do not give the names of "
                f"{self.label} as a list of text; write the file again"
            ) from error

    def _files(self) -> list[Path]:
        files = self.folder.rglob("*.parquet")
        return [file for file in files if self.split in (None, file.name.partition("-")[0])]

    def _rows_in(self, name: str) -> int:
        with self._open(name) as file:
            schema = file.schema_arrow
            for column in self._columns():
                if column not in schema.names:
                    raise UnknownName(f"column of {self.folder / name}", column, schema.names)
                is_allowed, advice = COLUMN_TYPES[column == self.image]
                if not is_allowed(schema.field(column).type):
                    raise ShapebiasError(
                        f"{self.folder / name}: column {column} is of {schema.field(column).type}; "
                        f"{advice}"
                    )
            return file.metadata.num_rows

    def _columns(self) -> list[str]:
        return [self.image, *([self.label] if self.label else [])]

    def _open(self, name: str) -> pq.ParquetFile:
        try:
            # Buffered: a row group of photos may be larger than the memory.
            return pq.ParquetFile(self.folder / name, buffer_size=2**20, pre_buffer=False)
        except (pa.ArrowException, OSError) as error:
            raise self._damaged(name, error) from error

    def _damaged(self, name: str, error: Exception) -> ShapebiasError:
        reason = " ".join(str(error).split())
        return ShapebiasError(f"cannot read {self.folder / name}: {reason}; get the file again")


def _class_names(metadata: bytes, label: str) -> list[str] | None:
    """Parse class names; raise ValueError, TypeError or AttributeError for other metadata."""
    features = (json.loads(metadata).get("info") or {}).get("features") or {}
    names = (features.get(label) or {}).get("names")
    if names is not None and not (
        isinstance(names, list) and all(isinstance(name, str) for name in names)
    ):
        raise TypeError
    return names


def _holds_files(dtype: pa.DataType) -> bool:
    """Whether a column's values are files, or structs of a file and optionally its path."""
    if not pa.types.is_struct(dtype):
        return pa.types.is_binary(dtype) or pa.types.is_large_binary(dtype)
    fields = {field.name: field.type for field in dtype}
    path = fields.get("path", pa.null())
    return _holds_files(fields.get("bytes", pa.null())) and (_holds_text(path) or path == pa.null())


def _holds_labels(dtype: pa.DataType) -> bool:
    whole = pa.types.is_integer(dtype) or pa.types.is_boolean(dtype) or pa.types.is_null(dtype)
    return whole or _holds_text(dtype)


def _holds_text(dtype: pa.DataType) -> bool:
    value = dtype.value_type if pa.types.is_dictionary(dtype) else dtype
    return pa.types.is_string(value) or pa.types.is_large_string(value)


# By whether a column is the image's: check of its type, and advice for another type.
COLUMN_TYPES = {
    True: (_holds_files, "set `image` to a column of files, or of structs of bytes and path"),
    False: (_holds_labels, "set `label` to a column of whole numbers or text, or to null"),
}


def _numbered(
    file: pq.ParquetFile, columns: list[str], indices: range
) -> Iterator[tuple[int, dict[str, Any]]]:
    """Rows of a range with their indices, a few in memory at a time."""
    start = 0
    for group in range(file.num_row_groups):
        end = start + file.metadata.row_group(group).num_rows
        if start < indices.stop and end > indices.start:
            index = start
            for batch in file.iter_batches(ROWS_AT_A_TIME, row_groups=[group], columns=columns):
                inside = range(max(index, indices.start), min(index + batch.num_rows, indices.stop))
                if inside:
                    rows = batch.slice(inside.start - index, len(inside)).to_pylist()
                    yield from zip(inside, rows, strict=True)
                index += batch.num_rows
        start = end
