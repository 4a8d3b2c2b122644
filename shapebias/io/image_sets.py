"""Image sets in Parquet, in the Hugging Face `Image` convention."""

import json
from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from shapebias.errors import ShapebiasError
from shapebias.io.atomic import atomic_write, parquet_errors
from shapebias.io.image_codec import decode
from shapebias.io.provenance import metadata

IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
LABELS = ("label", "shape", "texture", "coarse")
COLUMNS = pa.schema(
    [("image_id", pa.string()), ("image", IMAGE), *((name, pa.string()) for name in LABELS)]
)
DRAWN = {str: pa.string(), int: pa.int64(), bool: pa.bool_(), float: pa.float64()}
ROWS_A_GROUP = 256
# So that a group of large photos does not fill the memory.
BYTES_A_GROUP = 32 * 2**20


@dataclass(frozen=True)
class ResizeCrop:
    """How stored images become pixels: short side resized, then the centre cropped.

    Parameters
    ----------
    resize
        Length of the short side in pixels; None leaves the image as it is.
    crop
        Side of the central square in pixels; None keeps the whole image.
    """

    resize: int | None = None
    crop: int | None = None


def write_images(rows: Iterable[dict[str, Any]], path: str | Path, *, sizing: ResizeCrop) -> int:
    """Write one part of an image set, row by row, and count its images.

    Parameters
    ----------
    rows
        Dicts of `image_id`, `image` (bytes of an encoded file), `path`, any of `LABELS`, and
        in `drawn` what was drawn for the image: each of its keys becomes a column. A row whose
        `image` is None is left out; its id and the reason, the row's `rejected`, go to the file's
        metadata.
    path
        Parquet file.
    sizing
        How readers bring the images to size.
    """
    rows = iter(rows)
    first = next(rows, {})
    drawn = [(name, DRAWN[type(value)]) for name, value in first.get("drawn", {}).items()]
    schema = pa.schema([*COLUMNS, *drawn])
    note = {b"sizing": json.dumps(vars(sizing)).encode(), **_hugging_face(), **metadata()}
    return write_groups(
        map(with_image, chain([first] if first else [], rows)), path, schema.with_metadata(note)
    )


def read_rows(
    paths: Sequence[str | Path], *, only: Container[str] | None = None
) -> Iterator[dict[str, Any]]:
    """Every row of an image or concept set's parts, streamed, with decoded `pixels`.

    `pixels` is uint8 of shape (row, column, 3). Only one row group is in memory at a time. Images
    whose ids are not in `only`, where it is given, are passed over undecoded.
    """
    for path in paths:
        file = open_parquet(path)
        sizing = resize_crop_of(file)
        # Row group by row group: one batch would otherwise span several.
        for group in range(file.num_row_groups):
            with parquet_errors(path):
                rows = file.read_row_group(group).to_pylist()
            for row in rows:
                if only is not None and row["image_id"] not in only:
                    continue
                image = row.pop("image")
                row["path"] = image["path"]
                row["pixels"] = decode(
                    image["bytes"], resize=sizing.resize, crop=sizing.crop, name=row["image_id"]
                )
                yield row


def row_groups(path: str | Path) -> tuple[int, list[int]]:
    """Number of a part's row groups, and the number of rows in each."""
    note = open_parquet(path).metadata
    return note.num_row_groups, [note.row_group(n).num_rows for n in range(note.num_row_groups)]


def encoded_rows(path: str | Path, group: int) -> Iterator[tuple[str, bytes]]:
    """Id and encoded file of every image in one row group of a part."""
    table = open_parquet(path).read_row_group(group, columns=["image_id", "image"])
    files = table["image"].combine_chunks().field("bytes")
    yield from zip(table["image_id"].to_pylist(), files.to_pylist(), strict=True)


def resize_crop_of_part(path: str | Path) -> ResizeCrop:
    """How the images of a part, by its path, are brought to size."""
    return resize_crop_of(open_parquet(path))


def number_of_rows(paths: Sequence[str | Path]) -> int:
    """Images in all parts together."""
    return sum(open_parquet(path).metadata.num_rows for path in paths)


def read_columns(path: str | Path, columns: Sequence[str]) -> pd.DataFrame:
    """Columns of one part, without decoding an image."""
    return open_parquet(path).read(columns=list(columns)).to_pandas()


def rejected_in(path: str | Path) -> list[tuple[str, str]]:
    """Id of every image that was left out when a part was written, and the reason."""
    note = open_parquet(path).metadata.metadata or {}
    return [(image_id, reason) for image_id, reason in json.loads(note.get(b"rejected", b"[]"))]


def resize_crop_of(file: pq.ParquetFile) -> ResizeCrop:
    """How the images of a part are brought to size."""
    note = file.schema_arrow.metadata or {}
    return ResizeCrop(**json.loads(note.get(b"sizing", b"{}")))


def stack(rows: Iterable[dict[str, Any]]) -> np.ndarray:
    """Pixels of rows as one uint8 array of shape (image, 3, row, column).

    Raises
    ------
    ShapebiasError
        If two images differ in size; the message names them.
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


def _size(pixels: np.ndarray) -> str:
    return f"{pixels.shape[1]}×{pixels.shape[0]}"


def with_image(row: dict[str, Any]) -> dict[str, Any]:
    """Row as Parquet stores it: image bytes and path in one struct, draws as columns."""
    image = row["image"] and {"bytes": row["image"], "path": row.get("path")}
    return {**row, **row.get("drawn", {}), "image": image}


def write_groups(rows: Iterable[dict[str, Any]], path: str | Path, schema: pa.Schema) -> int:
    """Write rows in groups of bounded size; return how many have an image."""
    count, rejected = 0, []
    # Both would hold further copies of every image.
    plain = {"use_dictionary": False, "write_statistics": False}
    with atomic_write(path) as temporary, pq.ParquetWriter(temporary, schema, **plain) as writer:
        for group in _groups(rows):
            missing = [row for row in group if row["image"] is None]
            rejected += [(row["image_id"], row["rejected"]) for row in missing]
            kept = [row for row in group if row["image"] is not None]
            chosen = [{name: row.get(name) for name in schema.names} for row in kept]
            writer.write_table(pa.Table.from_pylist(chosen, schema))
            count += len(kept)
        writer.add_key_value_metadata({"rejected": json.dumps(rejected)})
    return count


def _groups(rows: Iterable[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    group: list[dict[str, Any]] = []
    size = 0
    for row in rows:
        group.append(row)
        size += len(row["image"]["bytes"]) if row["image"] else 0
        if len(group) == ROWS_A_GROUP or size >= BYTES_A_GROUP:
            yield group
            group, size = [], 0
    if group:
        yield group


def open_parquet(path: str | Path) -> pq.ParquetFile:
    """Open a Parquet file; raise `ShapebiasError` where it cannot be read."""
    with parquet_errors(path):
        return pq.ParquetFile(path)


def _hugging_face() -> dict[bytes, bytes]:
    features = {"image": {"_type": "Image"}}
    return {b"huggingface": json.dumps({"info": {"features": features}}).encode()}
