"""Folders of image files, one folder a class."""

from pathlib import Path

from shapebias.decoding import decode
from shapebias.errors import ShapebiasError

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".ppm", ".pgm", ".tif", ".tiff")


def class_files(folder: Path) -> list[Path]:
    """Image files in the class folders of a folder, sorted by class and name.

    Hidden files and those that are no images (lists, licences) are passed over.

    Raises
    ------
    ShapebiasError
        If the folder is missing or holds no class folder, or if a class folder holds no image.
    """
    check_folder(folder)
    classes = sorted(one for one in folder.iterdir() if one.is_dir() and one.name[0] != ".")
    if not classes:
        raise ShapebiasError(
            f"{folder} holds no class folders; images belong in {folder.name}/<class>/"
        )
    return [file for one in classes for file in _images_in(one)]


def check_folder(folder: Path) -> None:
    """Raise `ShapebiasError` unless there is such a folder."""
    if not folder.is_dir():
        what = "is a file, not a folder" if folder.exists() else "does not exist"
        raise ShapebiasError(
            f"{folder} {what}; unpack the images there, or correct the study's path"
        )


def read_image(file: Path) -> bytes:
    """Bytes of an image file, once it is sure that they decode; errors name the file."""
    try:
        data = file.read_bytes()
    except OSError as error:
        raise ShapebiasError(f"cannot read the image {file}: {error.strerror}") from error
    decode(data, name=str(file))
    return data


def slice_of(files: list[Path], part: int, parts: int) -> list[Path]:
    """Contiguous part (from 0) of the files; the parts differ in length by one at most."""
    return files[part * len(files) // parts : (part + 1) * len(files) // parts]


def _images_in(folder: Path) -> list[Path]:
    files = sorted(
        file for file in folder.iterdir() if file.suffix.lower() in SUFFIXES and file.name[0] != "."
    )
    if not files:
        raise ShapebiasError(f"the class folder {folder} holds no image; fill it or remove it")
    return files
