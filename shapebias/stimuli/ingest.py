"""From a source to the parts of an image set: every image is stored or refused by name.

What is stored are the source's own bytes. Each image is decoded once to be sure that every reader
will be able to; one that cannot be becomes a row of the table `rejected`.
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
    """Write one part of a source's images, and count those stored and those refused.

    Parameters
    ----------
    source
        What a plug-in of the family `images` builds: its length is the number of images listed,
        and `rows(part, parts)` gives one contiguous part of them; if it has `remarks()`, these are
        lines for the log.
    path
        Parquet file.
    part, parts
        Which part, from 0, of how many.
    sizing
        How readers bring the images to size.
    max_rejected
        Share of the part's images, in [0, 1], that may be refused. So one damaged file stops a
        small set, and is a line in a table of a large one.

    Raises
    ------
    ShapebiasError
        If more are refused, or the source lists no image, or gives more or fewer than it lists.
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
    """Write one part of a concept set, label maps resized and cropped as their images will be.

    The parameters are those of `ingest_images`; the source also has `concepts`.
    """

    def write(rows: Iterable[dict[str, Any]]) -> int:
        return write_concepts(rows, path, concepts=source.concepts, sizing=sizing)

    return _ingest(write, source, part, parts, sizing, max_rejected)


def rejected_images(parts: Mapping[str, Sequence[str | Path]]) -> pd.DataFrame:
    """Table `rejected` of image sets, each given by the files of its parts."""
    rows = [
        (image_set, *refused)
        for image_set, paths in parts.items()
        for path in paths
        for refused in rejected_in(path)
    ]
    return pd.DataFrame(rows, columns=["image_set", "image_id", "reason"], dtype=str)


def checked(rows: Iterable[dict[str, Any]], sizing: ResizeCrop) -> Iterator[dict[str, Any]]:
    """Rows with label maps of the size that the image will have; bad images are refused.

    A refused image's row has None under `image` and the reason under `rejected`.
    """
    for row in rows:
        if row["image"] is None:
            yield row
            continue
        try:
            yield _fitted(row, sizing)
        except ShapebiasError as error:
            # The name stands in the row already; the reason is the same for every such image.
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
    """Raise `ShapebiasError` unless a label map, of any size, can lie over the whole image."""
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
            f"{getattr(source, 'folder', 'the source')} gives no image at all; correct the path "
            "or the settings of this set"
        )
    for remark in source.remarks() if hasattr(source, "remarks") else ():
        print(remark)
    first, last = bounds_of(len(source), part, parts)
    rows = progress(source.rows(part, parts), what="reading images", total=last - first)
    refused: list[str] = []
    stored = write(_watched(checked(rows, sizing), refused, last - first, max_rejected))
    assert stored + len(refused) == last - first, "every image is stored or refused"
    print(f"stored {stored} images, refused {len(refused)}")
    return stored, len(refused)


def _watched(
    rows: Iterable[dict[str, Any]], refused: list[str], listed: int, max_rejected: float
) -> Iterator[dict[str, Any]]:
    """Note and print each refused image; stop once they are too many, or rows are amiss."""
    seen = 0
    for row in rows:
        seen += 1
        if "rejected" in row:
            refused.append(f"{row['image_id']}: {row['rejected']}")
            print(f"refused {refused[-1]}", flush=True)
        if len(refused) > max_rejected * listed:
            raise ShapebiasError(
                f"{refused[0]} (refused images so far: {len(refused)} of the part's {listed}; "
                f"at most {max_rejected:.1%} may be, by the setting max_rejected)"
            )
        yield row
    if seen != listed:
        raise ShapebiasError(
            f"the source lists {listed} images in this part but gave {seen}; "
            "did its files change meanwhile?"
        )
