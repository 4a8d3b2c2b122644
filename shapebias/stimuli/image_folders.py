"""List the image files of a folder in a fixed order, and read their bytes.

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
# Listed as images, and rejected by name.
UNSUPPORTED = (".jp2", ".avif", ".heic", ".heif", ".jxl", ".tga", ".dib")
# Files commonly found beside images, by suffix and by name without it, in lower case.
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
    """File names relative to a folder: of the image set, and of ignored files beside it."""

    files: list[str]
    ignored: list[str]

    def remarks(self) -> list[str]:
        """A line for the log on ignored files, if there are any."""
        if not self.ignored:
            return []
        first = readable(self.ignored[0])
        return [f"ignored {len(self.ignored)} files beside the images: {first} …"]


def class_files(folder: Path) -> Listing:
    """Files in the class folders of a folder, at any depth, sorted by class and name.

    Files outside of class folders come first. All files are listed except hidden ones and those
    commonly found beside images (lists, checksums, licences, archives); `image_row` rejects what
    is not an image.

    Raises
    ------
    ShapebiasError
        If the folder is missing or has no class folder, or if a class folder has no image.
    """
    check_folder(folder)
    classes: dict[str, list[str]] = {name: [] for name in folders_in(folder)}
    if not classes:
        raise ShapebiasError(
            f"{folder} holds no class folders; images belong in {folder.name}/<class>/"
        )
    loose, ignored = [], []
    for name in sorted(_names_below(folder, _places(folder))):
        class_name, slash, _ = name.partition("/")
        if _is_record(name):
            ignored.append(name)
        elif slash:
            classes[class_name].append(name)
        else:
            loose.append(name)
    for class_name, files in classes.items():
        if not files:
            raise ShapebiasError(
                f"the class folder {folder / class_name} holds no image; fill it or remove it"
            )
    return Listing([*loose, *(name for files in classes.values() for name in files)], ignored)


def files_in_classes(folder: Path) -> Listing:
    """`class_files` where every file is directly in its class's folder.

    Raises
    ------
    ShapebiasError
        As `class_files`, or if a file is anywhere else.
    """
    listing = class_files(folder)
    for name in listing.files:
        if name.count("/") != 1:
            raise ShapebiasError(
                f"{folder / readable(name)} is not directly in a class's folder, as "
                f"{folder.name}/<class>/<file> is; move or remove it"
            )
    return listing


def files_below(folder: Path) -> Listing:
    """Files in a folder and its subfolders, sorted; listed and ignored as in `class_files`."""
    check_folder(folder)
    names = sorted(_names_below(folder, _places(folder)))
    records = set(filter(_is_record, names))
    return Listing([name for name in names if name not in records], sorted(records))


def images_in(folder: Path) -> list[str]:
    """Names of the image files directly in a folder, sorted, without hidden ones."""
    check_folder(folder)
    with os.scandir(folder) as entries:
        return sorted(entry.name for entry in entries if _names_image(entry.name))


def folders_in(folder: Path) -> list[str]:
    """Names of the folders in a folder, sorted.

    Hidden ones are left out, and links to the folder itself or a parent of it.
    """
    check_folder(folder)
    above = _places(folder)
    with os.scandir(folder) as entries:
        return sorted(entry.name for entry in entries if _leads_on(entry, above))


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
    """Row of a file that is rejected for its place."""
    path = readable(name)
    return {"image_id": path, "path": path, "image": None, "rejected": reason}


def _bytes_of(folder: Path, name: str) -> bytes:
    if not name.lower().endswith(SUFFIXES):
        suffix = PurePosixPath(readable(name)).suffix
        raise ShapebiasError(
            f"unsupported format: {suffix or 'no suffix'}; save the image as PNG or JPEG, "
            "or remove the file"
        )
    status = (folder / name).stat()
    # A pipe or a device may never end.
    if not (stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)):
        raise ShapebiasError("not a plain file; remove it")
    check_length(status.st_size, readable(name))
    return (folder / name).read_bytes()


def readable(name: str) -> str:
    """A file's name as text; bytes that are not text become escapes."""
    return name.encode("utf-8", "backslashreplace").decode("utf-8")


def slice_of(items: Sequence[T], part: int, parts: int) -> Sequence[T]:
    """Contiguous part (from 0) of a sequence; part lengths differ by at most one."""
    first, last = bounds_of(len(items), part, parts)
    return items[first:last]


def bounds_of(count: int, part: int, parts: int) -> tuple[int, int]:
    """First index of a contiguous part (from 0) of `count` items, and the one after its last."""
    return part * count // parts, (part + 1) * count // parts


def _names_below(folder: str | Path, above: Places) -> Iterator[str]:
    """Every file below a folder, relative to it; links are followed, but not in circles."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if _leads_on(entry, above):
                for name in _names_below(entry.path, (*above, _place(entry.path))):
                    yield f"{entry.name}/{name}"
            elif not _is_folder(entry):
                yield entry.name


def _leads_on(entry: os.DirEntry, above: Places) -> bool:
    """Whether this is a folder that is neither hidden nor a link to one of its parents."""
    return entry.name[0] != "." and _is_folder(entry) and _place(entry.path) not in above


def _is_folder(entry: os.DirEntry) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False


def _places(folder: Path) -> Places:
    return tuple(_place(parent) for parent in (folder, *folder.absolute().parents))


def _place(folder: str | Path) -> tuple[int, int]:
    """Device and inode, which identify a folder however it is reached."""
    status = Path(folder).stat()
    return status.st_dev, status.st_ino


def _is_record(name: str) -> bool:
    file = name.rpartition("/")[2].lower()
    if file[0] == "." or file.endswith(RECORDS):
        return True
    return not _names_image(file) and file.partition(".")[0] in RECORDS_BY_NAME


def _names_image(name: str) -> bool:
    return name[0] != "." and name.lower().endswith(SUFFIXES + UNSUPPORTED)
