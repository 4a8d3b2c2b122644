"""Store a source's images as the parts of an image set, or reject them by name.

The source's own bytes are stored. Each image is checked so that every reader can decode it; one
that cannot be decoded becomes a row of the table `rejected`.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from shapebias.errors import ShapebiasError
from shapebias.io.concept_sets import write_concepts
from shapebias.io.image_codec import image_size, resize_crop_box
from shapebias.io.image_sets import ResizeCrop, rejected_in, write_images
from shapebias.io.label_maps import crop_label_map
from shapebias.progress import progress
from shapebias.stimuli.image_folders import bounds_of

MOST_REJECTED = 0.01


def ingest_images(
    source: Any,
    path: str | Path,
    *,
    part: int,
    parts: int,
    sizing: ResizeCrop,
    max_rejected: float = MOST_REJECTED,
) -> tuple[int, int]:
    """Write one part of a source's images, and count those stored and those rejected.

    Parameters
    ----------
    source
        Plug-in of the family `datasets`: its length is the number of images listed, and
        `rows(part, parts)` returns one contiguous part of them; `remarks()`, if it has them, are
        lines for the log.
    path
        Parquet file.
    part, parts
        Index of the part, from 0, and number of parts.
    sizing
        How readers resize and crop the images.
    max_rejected
        Largest share of the part's images, in [0, 1], that may be rejected. One damaged file stops
        a small set and is a row of a table for a large one.

    Raises
    ------
    ShapebiasError
        If more are rejected, or the source lists no image, or returns more or fewer than it lists.
    """

    def write(rows: Iterable[dict[str, Any]]) -> int:
        return write_images(rows, path, sizing=sizing)

    return _ingest(write, source, part, parts, sizing, max_rejected)


def ingest_concepts(
    source: Any,
    path: str | Path,
    *,
    part: int,
    parts: int,
    sizing: ResizeCrop,
    max_rejected: float = MOST_REJECTED,
) -> tuple[int, int]:
    """Write one part of a concept set, with label maps resized and cropped like their images.

    The parameters are those of `ingest_images`; the source also has `concepts`.
    """

    def write(rows: Iterable[dict[str, Any]]) -> int:
        return write_concepts(rows, path, concepts=source.concepts, sizing=sizing)

    return _ingest(write, source, part, parts, sizing, max_rejected)


def rejected_images(parts: Mapping[str, Sequence[str | Path]]) -> pd.DataFrame:
    """Table `rejected` of image sets, each given by the files of its parts."""
    rows = [
        (image_set, *rejected)
        for image_set, paths in parts.items()
        for path in paths
        for rejected in rejected_in(path)
    ]
    return pd.DataFrame(rows, columns=["image_set", "image_id", "reason"], dtype=str)


def checked(rows: Iterable[dict[str, Any]], sizing: ResizeCrop) -> Iterator[dict[str, Any]]:
    """Rows with label maps of the image's final size; bad images are rejected.

    A rejected image's row has None under `image` and the reason under `rejected`.
    """
    for row in rows:
        if row["image"] is None:
            yield row
            continue
        try:
            yield _fitted(row, sizing)
        except ShapebiasError as error:
            # The row already has the name.
            reason = str(error).removeprefix(f"{row['image_id']}: ")
            yield {**row, "image": None, "rejected": reason}


def _fitted(row: dict[str, Any], sizing: ResizeCrop) -> dict[str, Any]:
    name = row["image_id"]
    columns, rows = image_size(row["image"], name=name)
    resized, box = resize_crop_box((columns, rows), **vars(sizing), name=name)
    if "maps" not in row:
        return row
    maps = []
    for category, labels in row["maps"]:
        _check_proportions(labels, columns, rows, name)
        maps.append(
            (category, crop_label_map(labels, size=(columns, rows), resized=resized, box=box))
        )
    return {**row, "maps": maps}


def _check_proportions(labels: np.ndarray, columns: int, rows: int, name: str) -> None:
    """Raise `ShapebiasError` unless a label map, of any size, has the image's proportions."""
    if abs(labels.shape[1] - labels.shape[0] * columns / rows) > 1:
        raise ShapebiasError(
            f"{name}: its label map has {labels.shape[1]}×{labels.shape[0]} pixels, which is not "
            f"the shape of its {columns}×{rows}"
        )


def _ingest(
    write: Callable[[Iterable[dict[str, Any]]], int],
    source: Any,
    part: int,
    parts: int,
    sizing: ResizeCrop,
    max_rejected: float,
) -> tuple[int, int]:
    if not len(source):
        raise ShapebiasError(
            f"{getattr(source, 'folder', 'the source')} has no images; correct the path "
            "or the settings of this set"
        )
    for remark in source.remarks() if hasattr(source, "remarks") else ():
        print(remark)
    first, last = bounds_of(len(source), part, parts)
    rows = progress(source.rows(part, parts), what="reading images", total=last - first)
    rejected: list[str] = []
    stored = write(_counted(checked(rows, sizing), rejected, last - first, max_rejected))
    assert stored + len(rejected) == last - first, "every image is stored or rejected"
    print(f"stored {stored} images, rejected {len(rejected)}")
    return stored, len(rejected)


def _counted(
    rows: Iterable[dict[str, Any]], rejected: list[str], listed: int, max_rejected: float
) -> Iterator[dict[str, Any]]:
    """Collect and print rejected images; raise if there are too many, or too few rows."""
    count = 0
    for row in rows:
        count += 1
        if "rejected" in row:
            rejected.append(f"{row['image_id']}: {row['rejected']}")
            print(f"rejected {rejected[-1]}", flush=True)
        if len(rejected) > max_rejected * listed:
            raise ShapebiasError(
                f"{rejected[0]} (rejected so far: {len(rejected)} of the part's {listed} images; "
                f"`max_rejected` allows {max_rejected:.1%})"
            )
        yield row
    if count != listed:
        raise ShapebiasError(
            f"the source lists {listed} images in this part but returned {count}; "
            "did its files change during the run?"
        )
