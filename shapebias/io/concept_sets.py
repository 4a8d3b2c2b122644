"""Concept sets in Parquet: images with label maps and whole-image labels."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from shapebias.io.image_sets import IMAGE, ImageSet, ResizeCrop, with_image, write_groups
from shapebias.io.label_maps import encode_map
from shapebias.io.provenance import metadata

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


def write_concepts(
    rows: Iterable[dict[str, Any]],
    path: str | Path,
    *,
    concepts: Sequence[tuple[int, str, str]],
    sizing: ResizeCrop,
) -> int:
    """Write one part of a concept set row by row, and return its number of images.

    Parameters
    ----------
    rows
        Dicts of `image_id`, `image`, `maps` (pairs of a category and an array of label numbers of
        shape (row, column), 0 where unlabelled) and `labels` (pairs of a category and a number).
        A row whose `image` is None is left out, as in `write_images`.
    path
        Parquet file.
    concepts
        Number, name and category of every concept, stored with each part.
    sizing
        How readers resize and crop the images.
    """
    note = {
        b"sizing": json.dumps(vars(sizing)).encode(),
        b"concepts": json.dumps([list(concept) for concept in concepts]).encode(),
        **metadata(),
    }
    return write_groups(map(_encoded, rows), path, CONCEPT_COLUMNS.with_metadata(note))


def concept_names(path: str | Path) -> list[tuple[int, str, str]]:
    """List number, name and category of every concept, from one part of a concept set."""
    return ImageSet([path]).concepts()


def _encoded(row: dict[str, Any]) -> dict[str, Any]:
    maps = [{"category": name, "bytes": encode_map(map_)} for name, map_ in row.get("maps", ())]
    labels = [{"category": category, "number": n} for category, n in row.get("labels", ())]
    return {**with_image(row), "maps": maps, "labels": labels}
