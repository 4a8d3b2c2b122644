"""Label maps as 16-bit PNG images."""

import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image


def label_maps(group: Sequence[dict[str, Any]], category: str) -> list[np.ndarray]:
    """Layers of a category's label maps, each int64 of shape (image, row, column).

    An image with fewer layers than another has zeros, which label nothing.
    """
    found = [[m["bytes"] for m in row["maps"] if m["category"] == category] for row in group]
    depth = max(1, *(len(maps) for maps in found))
    shape = next(
        (decode_map(maps[0]).shape for maps in found if maps), group[0]["pixels"].shape[:2]
    )
    layers = np.zeros((depth, len(group), *shape), dtype=np.int64)
    for image, maps in enumerate(found):
        for layer, data in enumerate(maps):
            layers[layer, image] = decode_map(data)
    return list(layers)


def encode_map(labels: np.ndarray) -> bytes:
    """Label map of shape (row, column), numbers below 65,536, as a 16-bit PNG."""
    file = io.BytesIO()
    Image.fromarray(labels.astype(np.uint16)).save(file, format="PNG")
    return file.getvalue()


def decode_map(data: bytes) -> np.ndarray:
    """Label map that `encode_map` wrote, as int64 of shape (row, column)."""
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image).astype(np.int64)


def crop_label_map(
    labels: np.ndarray,
    *,
    size: tuple[int, int],
    resized: tuple[int, int],
    box: tuple[int, int, int, int],
) -> np.ndarray:
    """Label map of the part of an image that is kept when the image is resized and cropped.

    Parameters
    ----------
    labels
        Numbers of shape (row, column), over the whole image but not necessarily at its size.
    size, resized
        Width and height of the image before and after resizing.
    box
        Left, top, right and bottom of what is kept of the resized image.

    Returns
    -------
    Nearest labels; the map keeps its size relative to the image's.
    """
    columns, rows = (
        _nearest(labels.shape[1 - axis], size[axis], resized[axis], box[axis], box[axis + 2])
        for axis in (0, 1)
    )
    return labels[np.ix_(rows, columns)]


def _nearest(length: int, size: int, resized: int, first: int, last: int) -> np.ndarray:
    """Indices along one axis of a map, of the given length, for the kept part of the image."""
    kept = max(1, round((last - first) * length / size))
    centres = first + (np.arange(kept) + 0.5) * (last - first) / kept
    return (centres * length / resized).astype(int)
