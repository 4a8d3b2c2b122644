"""Label maps as 16-bit PNG images."""

import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Int, Int64, Integer
from PIL import Image


def label_maps(
    rows: Sequence[dict[str, Any]], category: str
) -> list[Int64[np.ndarray, "image row column"]]:
    """Decode a category's label maps: layer by layer, over all images.

    Parameters
    ----------
    rows
        Rows of a concept set, with `maps` and `pixels`.
    category
        Category of the labels.

    Returns
    -------
    Layers of label maps. Where an image has fewer layers than another, its last ones are 0, which
    means unlabelled.
    """
    encoded = [
        [layer["bytes"] for layer in row["maps"] if layer["category"] == category] for row in rows
    ]
    n_layers = max(1, *(len(layers) for layers in encoded))
    first = next((layers[0] for layers in encoded if layers), None)
    shape = rows[0]["pixels"].shape[:2] if first is None else decode_map(first).shape
    maps = np.zeros((n_layers, len(rows), *shape), dtype=np.int64)
    for image, layers in enumerate(encoded):
        for layer, data in enumerate(layers):
            maps[layer, image] = decode_map(data)
    return list(maps)


def encode_map(labels: Integer[np.ndarray, "row column"]) -> bytes:
    """Encode a label map, of numbers below 65,536, as a 16-bit PNG."""
    file = io.BytesIO()
    Image.fromarray(labels.astype(np.uint16)).save(file, format="PNG")
    return file.getvalue()


def decode_map(data: bytes) -> Int64[np.ndarray, "row column"]:
    """Decode a label map that `encode_map` wrote."""
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image).astype(np.int64)


def crop_label_map(
    labels: Integer[np.ndarray, "row column"],
    *,
    size: tuple[int, int],
    resized: tuple[int, int],
    box: tuple[int, int, int, int],
) -> Integer[np.ndarray, "cropped_row cropped_column"]:
    """Resize and crop a label map as its image is resized and cropped.

    Parameters
    ----------
    labels
        Label numbers of the whole image; the map may have fewer pixels than the image.
    size, resized
        Width and height of the image before and after resizing.
    box
        Left, top, right and bottom of the crop, in pixels of the resized image.

    Returns
    -------
    Labels of the nearest pixels, at the map's original scale relative to the image.
    """
    columns, rows = (
        _nearest(labels.shape[1 - axis], size[axis], resized[axis], box[axis], box[axis + 2])
        for axis in (0, 1)
    )
    return labels[np.ix_(rows, columns)]


def _nearest(length: int, size: int, resized: int, start: int, stop: int) -> Int[np.ndarray, " _"]:
    """Indices along one axis of a map that fall into an image's crop from `start` to `stop`."""
    cropped_length = max(1, round((stop - start) * length / size))
    centres = start + (np.arange(cropped_length) + 0.5) * (stop - start) / cropped_length
    return (centres * length / resized).astype(int)
