"""Image sets and concept sets on disk: Parquet parts whose rows hold encoded images.

The column `image` follows the Hugging Face `Image` convention: a struct of the encoded file's
bytes and its path. A part says in its metadata how its images are brought to size, so that every
reader sees the same pixels.
"""

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

from shapebias.concepts import encode_map
from shapebias.decoding import decode
from shapebias.errors import ShapebiasError
from shapebias.provenance import metadata
from shapebias.writing import reading, written_whole

IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
LABELS = ("label", "shape", "texture", "coarse")
COLUMNS = pa.schema(
    [("image_id", pa.string()), ("image", IMAGE), *((name, pa.string()) for name in LABELS)]
)
MAP = pa.struct([("category", pa.string()), ("bytes", pa.binary())])
LABEL = pa.struct([("category", pa.string()), ("number", pa.int32())])
CONCEPT_COLUMNS = pa.schema(
    [
        ("image_id", pa.string()),
        ("image", IMAGE),
        ("maps", pa.list_(MAP)),
        ("labels", pa.list_(LABEL)),
    ]
)
DRAWN = {str: pa.string(), int: pa.int64(), bool: pa.bool_(), float: pa.float64()}
ROWS_A_GROUP = 256
# So that a group of large photos does not fill the memory.
BYTES_A_GROUP = 32 * 2**20


@dataclass(frozen=True)
class Sizing:
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


def write_images(rows: Iterable[dict[str, Any]], path: str | Path, *, sizing: Sizing) -> int:
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
    return _write(
        map(_with_image, chain([first] if first else [], rows)), path, schema.with_metadata(note)
    )


def write_concepts(
    rows: Iterable[dict[str, Any]],
    path: str | Path,
    *,
    concepts: Sequence[tuple[int, str, str]],
    sizing: Sizing,
) -> int:
    """Write one part of a concept set: images with label maps and whole-image labels.

    Parameters
    ----------
    rows
        Dicts of `image_id`, `image`, `maps` (pairs of a category and an array of
        label numbers of shape (row, column), 0 where unlabelled) and `labels` (pairs of a
        category and a number). A row whose `image` is None is left out, as of images.
    concepts
        Number, name and category of every concept, stored with each part.
    """
    note = {
        b"sizing": json.dumps(vars(sizing)).encode(),
        b"concepts": json.dumps([list(concept) for concept in concepts]).encode(),
        **metadata(),
    }
    return _write(map(_with_maps, rows), path, CONCEPT_COLUMNS.with_metadata(note))


def read_rows(
    paths: Sequence[str | Path], *, only: Container[str] | None = None
) -> Iterator[dict[str, Any]]:
    """Every row of an image or concept set's parts, streamed, with decoded `pixels`.

    `pixels` is uint8 of shape (row, column, 3). Only one row group is in memory at a time. Images
    whose ids are not in `only`, where it is given, are passed over undecoded.
    """
    for path in paths:
        file = _open(path)
        sizing = sizing_of(file)
        # Row group by row group: one batch would otherwise span several.
        for group in range(file.num_row_groups):
            with reading(path):
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
    note = _open(path).metadata
    return note.num_row_groups, [note.row_group(n).num_rows for n in range(note.num_row_groups)]


def encoded_rows(path: str | Path, group: int) -> Iterator[tuple[str, bytes]]:
    """Id and encoded file of every image in one row group of a part."""
    table = _open(path).read_row_group(group, columns=["image_id", "image"])
    files = table["image"].combine_chunks().field("bytes")
    yield from zip(table["image_id"].to_pylist(), files.to_pylist(), strict=True)


def sizing_of_part(path: str | Path) -> Sizing:
    """How the images of a part, by its path, are brought to size."""
    return sizing_of(_open(path))


def number_of_rows(paths: Sequence[str | Path]) -> int:
    """Images in all parts together."""
    return sum(_open(path).metadata.num_rows for path in paths)


def read_columns(path: str | Path, columns: Sequence[str]) -> pd.DataFrame:
    """Columns of one part, without decoding an image."""
    return _open(path).read(columns=list(columns)).to_pandas()


def concepts_of(path: str | Path) -> list[tuple[int, str, str]]:
    """Number, name and category of every concept of a concept set's part."""
    note = _open(path).schema_arrow.metadata or {}
    if b"concepts" not in note:
        raise ShapebiasError(f"{path} is an image set, not a concept set: it lists no concepts")
    return [(number, name, category) for number, name, category in json.loads(note[b"concepts"])]


def rejected_in(path: str | Path) -> list[tuple[str, str]]:
    """Id of every image that was left out when a part was written, and the reason."""
    note = _open(path).metadata.metadata or {}
    return [(image_id, reason) for image_id, reason in json.loads(note.get(b"rejected", b"[]"))]


def sizing_of(file: pq.ParquetFile) -> Sizing:
    """How the images of a part are brought to size."""
    note = file.schema_arrow.metadata or {}
    return Sizing(**json.loads(note.get(b"sizing", b"{}")))


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


def _with_image(row: dict[str, Any]) -> dict[str, Any]:
    image = row["image"] and {"bytes": row["image"], "path": row.get("path")}
    return {**row, **row.get("drawn", {}), "image": image}


def _with_maps(row: dict[str, Any]) -> dict[str, Any]:
    maps = [{"category": name, "bytes": encode_map(map_)} for name, map_ in row.get("maps", ())]
    labels = [{"category": category, "number": n} for category, n in row.get("labels", ())]
    return {**_with_image(row), "maps": maps, "labels": labels}


def _write(rows: Iterable[dict[str, Any]], path: str | Path, schema: pa.Schema) -> int:
    count, rejected = 0, []
    # Both would hold further copies of every image.
    plain = {"use_dictionary": False, "write_statistics": False}
    with written_whole(path) as temporary, pq.ParquetWriter(temporary, schema, **plain) as writer:
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


def _open(path: str | Path) -> pq.ParquetFile:
    with reading(path):
        return pq.ParquetFile(path)


def _hugging_face() -> dict[bytes, bytes]:
    features = {"image": {"_type": "Image"}}
    return {b"huggingface": json.dumps({"info": {"features": features}}).encode()}
