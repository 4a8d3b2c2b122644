"""Parquet shards whose images follow the Hugging Face convention."""

import json
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq

from shapebias.errors import ShapebiasError, UnknownName
from shapebias.plugins import FilePath
from shapebias.stimuli.entry_level_classes import imagenet_classes
from shapebias.stimuli.image_folders import bounds_of, check_folder

CLASSES = ("named", "imagenet")
ROWS_AT_A_TIME = 32


def build(
    *,
    path: FilePath,
    split: str | None = None,
    image: str = "image",
    label: str | None = "label",
    classes: Literal["named", "imagenet"] = "named",
) -> "HuggingFaceParquet":
    """Images in Parquet files, each a struct of an encoded file's bytes and its path.

    Parameters
    ----------
    path
        Folder of the files, at any depth.
    split
        Beginning of the wanted files' names up to the first dash: "train" for
        train-00000-of-00014.parquet. None for all files.
    image, label
        Columns of the image and its label; None where there is no label.
    classes
        "named": the names that the file's metadata give for the labels' numbers, or the number or
        text itself where there are none. "imagenet": the synset of each of the numbers 0 to 999.

    Raises
    ------
    ShapebiasError
        If the folder does not exist or holds no such file, or if a file has no such column, one
        of another kind, or metadata that cannot be understood.

    References
    ----------
    .. [1] https://huggingface.co/docs/datasets/image_dataset
    """
    if classes not in CLASSES:
        raise UnknownName("classes of images/hf_parquet", classes, CLASSES)
    check_folder(Path(path))
    return HuggingFaceParquet(Path(path), split=split, image=image, label=label, classes=classes)


class HuggingFaceParquet:
    """Rows of Parquet shards; see `build`."""

    def __init__(
        self, folder: Path, *, split: str | None, image: str, label: str | None, classes: str
    ):
        self.folder, self.split = folder, split
        self.image, self.label, self.classes = image, label, classes

    @cached_property
    def shards(self) -> list[tuple[str, int]]:
        """Each file's name relative to the folder, with its number of rows, sorted."""
        names = sorted(file.relative_to(self.folder).as_posix() for file in self._files())
        if not names:
            which = f"{self.split}-*.parquet" if self.split else "*.parquet"
            raise ShapebiasError(f"{self.folder} holds no file {which}")
        return [(name, self._rows_in(name)) for name in names]

    def __len__(self) -> int:
        return sum(count for _, count in self.shards)

    def rows(self, part: int, parts: int) -> Iterator[dict]:
        """Rows of one contiguous part (from 0) of the images, with the files' own bytes."""
        first, last = bounds_of(len(self), part, parts)
        start = 0
        for name, count in self.shards:
            chosen = range(max(first - start, 0), min(last - start, count))
            if chosen:
                yield from self._of_shard(name, chosen)
            start += count

    def _of_shard(self, name: str, chosen: range) -> Iterator[dict]:
        stem = name.removesuffix(".parquet")
        with self._open(name) as file:
            names = self._class_names(file, name)
            try:
                for index, row in _numbered(file, self._columns(), chosen):
                    label = self._label(row, names, name)
                    yield {"image_id": f"{stem}/{index:06d}", **self._image(row), "label": label}
            except (pa.ArrowException, OSError) as error:
                raise self._damaged(name, error) from error

    def _image(self, row: dict[str, Any]) -> dict[str, Any]:
        found = row[self.image] or {}
        found = {"bytes": found} if isinstance(found, bytes) else found
        data, path = found.get("bytes"), found.get("path")
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
        """Names of the labels' numbers, from the metadata; None where they say nothing."""
        if self.classes == "imagenet" or self.label is None:
            return list(imagenet_classes()) if self.label else None
        note = (file.schema_arrow.metadata or {}).get(b"huggingface", b"{}")
        try:
            return _named(note, self.label)
        except (ValueError, TypeError, AttributeError) as error:
            raise ShapebiasError(
                f"{self.folder / name}: its Hugging Face metadata do not give the names of "
                f"{self.label} as a list of text; write the file anew"
            ) from error

    def _files(self) -> list[Path]:
        files = self.folder.rglob("*.parquet")
        return [one for one in files if self.split in (None, one.name.partition("-")[0])]

    def _rows_in(self, name: str) -> int:
        with self._open(name) as file:
            schema = file.schema_arrow
            for column in self._columns():
                if column not in schema.names:
                    raise UnknownName(f"column of {self.folder / name}", column, schema.names)
                holds, wanted = KINDS[column == self.image]
                if not holds(schema.field(column).type):
                    raise ShapebiasError(
                        f"{self.folder / name}: column {column} is of {schema.field(column).type}; "
                        f"{wanted}"
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
        said = " ".join(str(error).split())
        return ShapebiasError(f"cannot read {self.folder / name}: {said}; get the file anew")


def _named(note: bytes, label: str) -> list[str] | None:
    """Names of a label's numbers; raises errors of Python's where the note is another thing."""
    features = (json.loads(note).get("info") or {}).get("features") or {}
    names = (features.get(label) or {}).get("names")
    if names is not None and not (isinstance(names, list) and all(map(_is_text, names))):
        raise TypeError
    return names


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _holds_files(kind: pa.DataType) -> bool:
    """Whether a column's values are files, or structs of a file and, if they like, its path."""
    if not pa.types.is_struct(kind):
        return pa.types.is_binary(kind) or pa.types.is_large_binary(kind)
    fields = {field.name: field.type for field in kind}
    path = fields.get("path", pa.null())
    return _holds_files(fields.get("bytes", pa.null())) and (_holds_text(path) or path == pa.null())


def _holds_labels(kind: pa.DataType) -> bool:
    whole = pa.types.is_integer(kind) or pa.types.is_boolean(kind) or pa.types.is_null(kind)
    return whole or _holds_text(kind)


def _holds_text(kind: pa.DataType) -> bool:
    value = kind.value_type if pa.types.is_dictionary(kind) else kind
    return pa.types.is_string(value) or pa.types.is_large_string(value)


# By whether a column is the image's: what it may hold, and what to do otherwise.
KINDS = {
    True: (_holds_files, "set `image` to a column of files, or of structs of bytes and path"),
    False: (_holds_labels, "set `label` to a column of whole numbers or text, or to null"),
}


def _numbered(
    file: pq.ParquetFile, columns: list[str], chosen: range
) -> Iterator[tuple[int, dict[str, Any]]]:
    """Rows of a range of a file's rows, with their numbers, a few in memory at a time."""
    start = 0
    for group in range(file.num_row_groups):
        end = start + file.metadata.row_group(group).num_rows
        if start < chosen.stop and end > chosen.start:
            index = start
            for batch in file.iter_batches(ROWS_AT_A_TIME, row_groups=[group], columns=columns):
                inside = range(max(index, chosen.start), min(index + batch.num_rows, chosen.stop))
                if inside:
                    rows = batch.slice(inside.start - index, len(inside)).to_pylist()
                    yield from zip(inside, rows, strict=True)
                index += batch.num_rows
        start = end
