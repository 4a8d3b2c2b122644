"""Image sets in Parquet, in the Hugging Face `Image` convention."""

import json
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from jaxtyping import UInt8

from shapebias.errors import ShapebiasError
from shapebias.io.atomic import atomic_write, parquet_errors
from shapebias.io.image_codec import decode
from shapebias.io.provenance import metadata

IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
LABELS = ("label", "shape", "texture", "coarse")
COLUMNS = pa.schema(
    [("image_id", pa.string()), ("image", IMAGE), *((name, pa.string()) for name in LABELS)]
)
DRAWN_TYPES = {str: pa.string(), int: pa.int64(), bool: pa.bool_(), float: pa.float64()}
# A row group ends at either limit; large photos would otherwise fill the memory.
ROWS_PER_GROUP = 256
BYTES_PER_GROUP = 32 * 2**20


@dataclass(frozen=True)
class ResizeCrop:
    """How stored images become pixels: the short side is resized, then the centre cropped.

    Parameters
    ----------
    resize
        Length of the short side in pixels; None keeps the size.
    crop
        Side of the central square in pixels; None keeps the whole image.
    """

    resize: int | None = None
    crop: int | None = None


@dataclass(frozen=True)
class RowGroup:
    """One row group of a part of an image set: the unit in which images are read."""

    path: str | Path
    file: pq.ParquetFile
    number: int
    sizing: ResizeCrop

    def __len__(self) -> int:
        return self.file.metadata.row_group(self.number).num_rows

    def read(self, columns: Sequence[str] | None = None) -> pa.Table:
        """Read the group's rows, or some of their columns."""
        with parquet_errors(self.path):
            return self.file.read_row_group(self.number, columns=columns)

    def encoded_images(self) -> Iterator[tuple[str, bytes]]:
        """Yield the id and the encoded file of every image."""
        table = self.read(columns=["image_id", "image"])
        files = table["image"].combine_chunks().field("bytes")
        yield from zip(table["image_id"].to_pylist(), files.to_pylist(), strict=True)


class ImageSet:
    """Image or concept set, whose Parquet files are opened once; `len` is its number of images.

    Parameters
    ----------
    paths
        Files of the set's parts, in order.

    Raises
    ------
    ShapebiasError
        If a file is missing or damaged; the message names it.
    """

    def __init__(self, paths: Sequence[str | Path]):
        self.paths = list(paths)
        self._files = [_open(path) for path in paths]

    def __len__(self) -> int:
        return sum(file.metadata.num_rows for file in self._files)

    @cached_property
    def groups(self) -> list[RowGroup]:
        """Row groups of all parts, in order."""
        groups = []
        for path, file in zip(self.paths, self._files, strict=True):
            note = file.schema_arrow.metadata or {}
            sizing = ResizeCrop(**json.loads(note.get(b"sizing", b"{}")))
            numbers = range(file.num_row_groups)
            groups += [RowGroup(path, file, number, sizing) for number in numbers]
        return groups

    def rows(self, *, only: Container[str] | None = None) -> Iterator[dict[str, Any]]:
        """Yield every row as a dict of its columns, with `path` and the decoded `pixels`.

        `pixels` is uint8 of shape (row, column, 3). One row group at a time is in memory.

        Parameters
        ----------
        only
            Ids of the images to decode and yield; None for all.
        """
        for group in self.groups:
            sizing = asdict(group.sizing)
            for row in group.read().to_pylist():
                if only is None or row["image_id"] in only:
                    image = row.pop("image")
                    pixels = decode(image["bytes"], **sizing, name=row["image_id"])
                    yield {**row, "path": image["path"], "pixels": pixels}

    def columns(self, names: Sequence[str]) -> pd.DataFrame:
        """Read columns of all rows, without decoding an image."""
        frames = []
        for path, file in zip(self.paths, self._files, strict=True):
            with parquet_errors(path):
                frames.append(file.read(columns=list(names)).to_pandas())
        return pd.concat(frames, ignore_index=True)

    def rejected(self) -> list[tuple[str, str]]:
        """List the id of every image that was left out on writing, and the reason."""
        notes = [file.metadata.metadata or {} for file in self._files]
        pairs = chain.from_iterable(json.loads(note.get(b"rejected", b"[]")) for note in notes)
        return [(image_id, reason) for image_id, reason in pairs]

    def concepts(self) -> list[tuple[int, str, str]]:
        """List number, name and category of every concept of a concept set."""
        note = self._files[0].schema_arrow.metadata or {}
        if b"concepts" not in note:
            raise ShapebiasError(f"{self.paths[0]} has no concepts: give a concept set")
        return [tuple(concept) for concept in json.loads(note[b"concepts"])]


def read_rows(
    paths: Sequence[str | Path], *, only: Container[str] | None = None
) -> Iterator[dict[str, Any]]:
    """Yield the rows of an image set's parts; see `ImageSet.rows`."""
    yield from ImageSet(paths).rows(only=only)


def read_columns(path: str | Path, columns: Sequence[str]) -> pd.DataFrame:
    """Read columns of one part, without decoding an image."""
    return ImageSet([path]).columns(columns)


def rejected_in(path: str | Path) -> list[tuple[str, str]]:
    """List the id of every image that was left out of a part, and the reason."""
    return ImageSet([path]).rejected()


def write_images(rows: Iterable[dict[str, Any]], path: str | Path, *, sizing: ResizeCrop) -> int:
    """Write one part of an image set row by row, and return its number of images.

    Parameters
    ----------
    rows
        Dicts of `image_id`, `image` (bytes of an encoded file), `path`, any of `LABELS`, and in
        `drawn` the random values drawn for the image: each of its keys becomes a column. A row
        whose `image` is None is left out; its id and the reason, the row's `rejected`, are stored
        in the file's metadata.
    path
        Parquet file.
    sizing
        How readers resize and crop the images.
    """
    rows = iter(rows)
    first = next(rows, {})
    drawn = [(name, DRAWN_TYPES[type(value)]) for name, value in first.get("drawn", {}).items()]
    features = {"info": {"features": {"image": {"_type": "Image"}}}}
    note = {
        b"sizing": json.dumps(asdict(sizing)).encode(),
        b"huggingface": json.dumps(features).encode(),
        **metadata(),
    }
    schema = pa.schema([*COLUMNS, *drawn]).with_metadata(note)
    return write_groups(map(with_image, chain([first] if first else [], rows)), path, schema)


def with_image(row: dict[str, Any]) -> dict[str, Any]:
    """Convert a row to its stored form: bytes and path in one struct, drawn values as columns."""
    image = row["image"] and {"bytes": row["image"], "path": row.get("path")}
    return {**row, **row.get("drawn", {}), "image": image}


def write_groups(rows: Iterable[dict[str, Any]], path: str | Path, schema: pa.Schema) -> int:
    """Write rows in row groups of bounded size, and return how many have an image."""
    count, rejected = 0, []
    # Dictionaries and statistics would each hold another copy of every image.
    options = {"use_dictionary": False, "write_statistics": False}
    with atomic_write(path) as temporary, pq.ParquetWriter(temporary, schema, **options) as writer:
        for group in _grouped(rows):
            stored = [
                {name: row.get(name) for name in schema.names}
                for row in group
                if row["image"] is not None
            ]
            rejected += [
                (row["image_id"], row["rejected"]) for row in group if row["image"] is None
            ]
            writer.write_table(pa.Table.from_pylist(stored, schema))
            count += len(stored)
        writer.add_key_value_metadata({"rejected": json.dumps(rejected)})
    return count


def _grouped(rows: Iterable[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    group: list[dict[str, Any]] = []
    size = 0
    for row in rows:
        group.append(row)
        size += len(row["image"]["bytes"]) if row["image"] else 0
        if len(group) == ROWS_PER_GROUP or size >= BYTES_PER_GROUP:
            yield group
            group, size = [], 0
    if group:
        yield group


def stack(rows: Iterable[Mapping[str, Any]]) -> UInt8[np.ndarray, "image 3 row column"]:
    """Stack the pixels of rows into one array.

    Raises
    ------
    ShapebiasError
        If two images differ in size; the message names one of them.
    """
    pixels: list[np.ndarray] = []
    for row in rows:
        if pixels and row["pixels"].shape != pixels[0].shape:
            raise ShapebiasError(
                f"image {row['image_id']!r} is {_size(row['pixels'])}, others of its set are "
                f"{_size(pixels[0])}: give the image set `resize` and `crop`"
            )
        pixels.append(row["pixels"])
    return np.stack(pixels).transpose(0, 3, 1, 2)


def _size(pixels: UInt8[np.ndarray, "row column 3"]) -> str:
    return f"{pixels.shape[1]}×{pixels.shape[0]}"


def _open(path: str | Path) -> pq.ParquetFile:
    with parquet_errors(path):
        return pq.ParquetFile(path)
