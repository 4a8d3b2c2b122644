"""Folders of image files: what they hold, in a fixed order, and each file's bytes.

A listing holds names, not paths: a million of them take about a hundred megabytes.
"""

import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple, TypeVar

from shapebias.errors import ShapebiasError
from shapebias.io.image_codec import check_length

SUFFIXES = (
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff"),
    *(".ppm", ".pgm", ".pbm", ".pnm"),
)
# Listed as images are, and refused by name.
UNREAD = (".jp2", ".avif", ".heic", ".heif", ".jxl", ".tga", ".dib")
# What lies beside images and is none, by suffix and by name without it, in small letters.
RECORDS = (
    *(".txt", ".md", ".rst", ".csv", ".tsv", ".json", ".jsonl", ".xml", ".yaml", ".yml"),
    *(".html", ".htm", ".pdf", ".log", ".ini", ".db", ".mat", ".npy", ".npz", ".pkl", ".py", ".sh"),
    *(".md5", ".sha1", ".sha256", ".sha512", ".tar", ".tgz", ".gz", ".xz", ".bz2", ".zip"),
)
RECORDS_BY_NAME = (
    *("readme", "license", "licence", "copying", "notice", "authors", "changelog", "manifest"),
    *("checksums", "md5sums", "sha1sums", "sha256sums", "sha512sums"),
)

T = TypeVar("T")
Places = tuple[tuple[int, int], ...]


class Listing(NamedTuple):
    """Files as names relative to a folder: those of an image set, and those that go with it."""

    files: list[str]
    passed_over: list[str]

    def remarks(self) -> list[str]:
        """A line on what is passed over, if anything is."""
        if not self.passed_over:
            return []
        first = readable(self.passed_over[0])
        return [f"passed over {len(self.passed_over)} files beside the images: {first} …"]


def class_files(folder: Path) -> Listing:
    """Files in the class folders of a folder, at any depth, sorted by class and name.

    Files in no class folder come first. All are listed but hidden ones and those that commonly lie
    beside images (lists, checksums, licences, archives): `image_row` refuses what is no image.

    Raises
    ------
    ShapebiasError
        If the folder is missing or holds no class folder, or if a class folder holds no image.
    """
    check_folder(folder)
    found: dict[str, list[str]] = {one: [] for one in folders_in(folder)}
    if not found:
        raise ShapebiasError(
            f"{folder} holds no class folders; images belong in {folder.name}/<class>/"
        )
    loose, passed_over = [], []
    for name in sorted(_names_below(folder, _places(folder))):
        one, slash, _ = name.partition("/")
        (passed_over if _is_record(name) else found[one] if slash else loose).append(name)
    for one, files in found.items():
        if not files:
            raise ShapebiasError(
                f"the class folder {folder / one} holds no image; fill it or remove it"
            )
    return Listing([*loose, *(name for files in found.values() for name in files)], passed_over)


def files_in_classes(folder: Path) -> Listing:
    """`class_files` of a layout in which every file lies in its class's folder itself.

    Raises
    ------
    ShapebiasError
        As of `class_files`, or if a file lies anywhere else.
    """
    listing = class_files(folder)
    for name in listing.files:
        if name.count("/") != 1:
            raise ShapebiasError(
                f"{folder / readable(name)} does not lie in a class's folder itself, as "
                f"{folder.name}/<class>/<file> does; move or remove it"
            )
    return listing


def files_below(folder: Path) -> Listing:
    """Files in a folder and the folders in it, sorted; what is listed is as of `class_files`."""
    check_folder(folder)
    names = sorted(_names_below(folder, _places(folder)))
    records = set(filter(_is_record, names))
    return Listing([name for name in names if name not in records], sorted(records))


def images_in(folder: Path) -> list[str]:
    """Names of the image files in a folder itself, sorted; hidden files are passed over."""
    check_folder(folder)
    with os.scandir(folder) as entries:
        return sorted(entry.name for entry in entries if _names_image(entry.name))


def folders_in(folder: Path) -> list[str]:
    """Names of the folders in a folder, sorted.

    Hidden ones are passed over, and links to the folder itself or one that it lies in.
    """
    check_folder(folder)
    above = _places(folder)
    with os.scandir(folder) as entries:
        return sorted(one.name for one in entries if _leads_on(one, above))


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
        return {**row, "image": _bytes_of(folder, name)}
    except ShapebiasError as error:
        return {**row, "image": None, "rejected": str(error).removeprefix(f"{path}: ")}
    except OSError as error:
        return {**row, "image": None, "rejected": f"cannot be read: {error.strerror}"}


def misplaced_row(name: str, reason: str) -> dict[str, Any]:
    """Row of a file that is refused for where it lies."""
    path = readable(name)
    return {"image_id": path, "path": path, "image": None, "rejected": reason}


def _bytes_of(folder: Path, name: str) -> bytes:
    if not name.lower().endswith(SUFFIXES):
        suffix = PurePosixPath(readable(name)).suffix
        raise ShapebiasError(
            f"not a format that is read: {suffix or 'no suffix'}; save the image as PNG or JPEG, "
            "or remove the file"
        )
    status = (folder / name).stat()
    # A pipe or a device may give bytes for ever.
    if not (stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)):
        raise ShapebiasError("is no plain file; remove it")
    check_length(status.st_size, readable(name))
    return (folder / name).read_bytes()


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


def _names_below(folder: str | Path, above: Places) -> Iterator[str]:
    """Every file below a folder, relative to it; links are followed, but not round in circles."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if _leads_on(entry, above):
                for name in _names_below(entry.path, (*above, _place(entry.path))):
                    yield f"{entry.name}/{name}"
            elif not _is_folder(entry):
                yield entry.name


def _leads_on(entry: os.DirEntry, above: Places) -> bool:
    """Whether this is a folder, neither hidden nor a link to one that it lies in."""
    return entry.name[0] != "." and _is_folder(entry) and _place(entry.path) not in above


def _is_folder(entry: os.DirEntry) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False


def _places(folder: Path) -> Places:
    return tuple(_place(one) for one in (folder, *folder.absolute().parents))


def _place(folder: str | Path) -> tuple[int, int]:
    """What tells a folder from every other, however it is reached."""
    status = Path(folder).stat()
    return status.st_dev, status.st_ino


def _is_record(name: str) -> bool:
    file = name.rpartition("/")[2].lower()
    if file[0] == "." or file.endswith(RECORDS):
        return True
    return not _names_image(file) and file.partition(".")[0] in RECORDS_BY_NAME


def _names_image(name: str) -> bool:
    return name[0] != "." and name.lower().endswith(SUFFIXES + UNREAD)
