"""Folders of image files: what they hold, in a fixed order, and each file's bytes.

A listing holds names, not paths: a million of them take about a hundred megabytes.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

from shapebias.errors import ShapebiasError

# What is named like an image is listed, so that one that cannot be decoded is refused by name.
SUFFIXES = (
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".bmp", ".ppm", ".pgm", ".pnm"),
    *(".tif", ".tiff", ".gif", ".jp2", ".avif", ".heic", ".tga"),
)

T = TypeVar("T")


def class_files(folder: Path) -> list[str]:
    """Image files `<class>/<name>` in the class folders of a folder, sorted by class and name.

    Hidden files and those that are no images (lists, licences) are passed over.

    Raises
    ------
    ShapebiasError
        If the folder is missing or holds no class folder, or if a class folder holds no image.
    """
    classes = folders_in(folder)
    if not classes:
        raise ShapebiasError(
            f"{folder} holds no class folders; images belong in {folder.name}/<class>/"
        )
    return [f"{one}/{name}" for one in classes for name in _images_of_class(folder / one)]


def images_in(folder: Path) -> list[str]:
    """Names of the image files in a folder itself, sorted; hidden files are passed over."""
    check_folder(folder)
    with os.scandir(folder) as entries:
        return sorted(entry.name for entry in entries if _names_image(entry.name))


def images_below(folder: Path) -> list[str]:
    """Image files in a folder and the folders in it, as names relative to it, sorted."""
    within = [f"{one}/{name}" for one in folders_in(folder) for name in images_below(folder / one)]
    return sorted(images_in(folder) + within)


def folders_in(folder: Path) -> list[str]:
    """Names of the folders in a folder, sorted; hidden ones are passed over."""
    check_folder(folder)
    with os.scandir(folder) as entries:
        return sorted(entry.name for entry in entries if entry.name[0] != "." and entry.is_dir())


def check_folder(folder: Path) -> None:
    """Raise `ShapebiasError` unless there is such a folder."""
    if not folder.is_dir():
        what = "is a file, not a folder" if folder.exists() else "does not exist"
        raise ShapebiasError(
            f"{folder} {what}; unpack the images there, or correct the study's path"
        )


def image_row(folder: Path, name: str, *, image_id: str | None = None) -> dict[str, Any]:
    """Row of an image file: `image_id`, `path`, and its own bytes under `image`.

    Parameters
    ----------
    folder
        The source's folder.
    name
        The file, relative to it.
    image_id
        None for the name itself.

    Notes
    -----
    Where the file cannot be read, `image` is None and `rejected` says why.
    """
    path = readable(name)
    row = {"image_id": readable(image_id) if image_id else path, "path": path}
    try:
        return {**row, "image": (folder / name).read_bytes()}
    except OSError as error:
        return {**row, "image": None, "rejected": f"cannot be read: {error.strerror}"}


def readable(name: str) -> str:
    """A file's name as text; bytes that are no text become escapes."""
    return name.encode("utf-8", "backslashreplace").decode("utf-8")


def slice_of(items: Sequence[T], part: int, parts: int) -> Sequence[T]:
    """Contiguous part (from 0) of a sequence; the parts differ in length by one at most."""
    first, last = bounds_of(len(items), part, parts)
    return items[first:last]


def bounds_of(count: int, part: int, parts: int) -> tuple[int, int]:
    """First index of a contiguous part (from 0) of so many items, and the one after its last."""
    return part * count // parts, (part + 1) * count // parts


def _images_of_class(folder: Path) -> list[str]:
    names = images_in(folder)
    if not names:
        raise ShapebiasError(f"the class folder {folder} holds no image; fill it or remove it")
    return names


def _names_image(name: str) -> bool:
    return name[0] != "." and name.lower().endswith(SUFFIXES)
