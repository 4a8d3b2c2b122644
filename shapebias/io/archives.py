"""Unpack archives without following links, leaving the folder, or filling the disk."""

import os
import shutil
import socket
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath

from shapebias.errors import ShapebiasError
from shapebias.progress import progress

# Images hardly shrink when packed; an archive that grows more than this is made to fill a disk.
MAX_GROWTH = 100
ALWAYS_ALLOWED_BYTES = 16 * 2**20
MAX_ENTRIES = 5_000_000
# A tar entry that is not a file is a header, which is read into memory.
MAX_HEADER_BYTES = 2**20
# Limits of file systems.
MAX_PART_BYTES, MAX_NAME_BYTES = 255, 1024
# Types of zip entries by their Unix mode; 0 where the packer set none.
ZIP_KINDS = {0: "file", 0o100000: "file", 0o040000: "folder", 0o120000: "link"}


@dataclass(frozen=True)
class Entry:
    """One entry of an archive, and the function that extracts it."""

    name: str
    kind: str
    size: int
    extract: Callable[[], object]


def unpack(archive: str | Path, folder: str | Path) -> int:
    """Unpack a .tar, .tar.gz, .tar.xz, .tar.bz2 or .zip file into a new folder.

    Only plain files and folders are written, with the permissions of newly created files.

    Parameters
    ----------
    archive
        The file; its content determines its format.
    folder
        Must not exist yet, or be empty. It appears once everything is unpacked.

    Returns
    -------
    Number of files.

    Raises
    ------
    ShapebiasError
        If the archive is damaged or empty; contains a link, a device, a duplicate name, or a name
        that leads out of the folder or is too long; unpacks to more than a hundred times its
        size; or if the folder is in use. Nothing is left behind.
    """
    archive, folder = Path(archive), Path(folder)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ShapebiasError(f"{folder} exists already; remove it to unpack {archive} again")
    temporary = folder.with_name(f".{socket.gethostname()}-{os.getpid()}.{folder.name}")
    temporary.mkdir(parents=True)
    try:
        n_files = _extract(archive, temporary)
        temporary.replace(folder)
        return n_files
    except ShapebiasError:
        raise
    # Damaged archives raise errors of almost every class.
    except Exception as error:
        # The full text of an OSError would name the temporary folder.
        reason = getattr(error, "strerror", None) or " ".join(str(error).split())
        raise ShapebiasError(
            f"cannot unpack {archive}: {reason or type(error).__name__}"
        ) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _extract(archive: Path, folder: Path) -> int:
    allowed_bytes = max(ALWAYS_ALLOWED_BYTES, MAX_GROWTH * archive.stat().st_size)
    n_files = 0
    entries = progress(_entries(archive, folder), what=f"unpacking {archive.name}", images=False)
    for number, entry in enumerate(entries, start=1):
        if number > MAX_ENTRIES:
            raise _unsafe(archive, f"contains more than {MAX_ENTRIES} entries")
        if entry.kind not in ("file", "folder"):
            raise _unsafe(archive, f"contains the {entry.kind} {_shortened(entry.name)}")
        target = folder / _checked_name(entry.name, archive)
        # Both libraries write at most the size that an entry states.
        allowed_bytes -= entry.size
        if allowed_bytes < 0:
            raise _unsafe(archive, f"unpacks to more than {MAX_GROWTH} times its size")
        duplicate = f"contains {_shortened(entry.name)} twice, or as a file and a folder"
        if target.is_file() or (target.exists() and entry.kind == "file"):
            raise _unsafe(archive, duplicate)
        try:
            entry.extract()
        except (FileExistsError, NotADirectoryError, IsADirectoryError) as error:
            raise _unsafe(archive, duplicate) from error
        n_files += entry.kind == "file"
    if not n_files:
        raise ShapebiasError(f"{archive} contains no file; download it again")
    return n_files


def _entries(archive: Path, folder: Path) -> Iterator[Entry]:
    with archive.open("rb") as file:
        is_zip = file.read(4) in (b"PK\3\4", b"PK\5\6")
    yield from _zip_entries(archive, folder) if is_zip else _tar_entries(archive, folder)


def _zip_entries(archive: Path, folder: Path) -> Iterator[Entry]:
    with zipfile.ZipFile(archive) as file:
        for info in file.infolist():
            mode = info.external_attr >> 16 & 0o170000
            kind = "folder" if info.is_dir() else ZIP_KINDS.get(mode, "special file")
            yield Entry(info.filename, kind, info.file_size, partial(file.extract, info, folder))


def _tar_entries(archive: Path, folder: Path) -> Iterator[Entry]:
    with tarfile.open(archive, tarinfo=_CheckedHeader) as file:
        extract = partial(file.extract, path=folder, set_attrs=False, filter="data")
        while info := file.next():
            kind = "file" if info.isreg() else "folder" if info.isdir() else "special file"
            kind = "link" if info.issym() or info.islnk() else kind
            yield Entry(info.name, kind, info.size, partial(extract, info))
            # The list of all entries, of which there may be millions, is not needed.
            file.members.clear()  # type: ignore[attr-defined]


class _CheckedHeader(tarfile.TarInfo):
    """Header of a tar entry; one that would fill the memory is refused before it is read."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> "_CheckedHeader":
        info = super().frombuf(buf, encoding, errors)
        if not info.isreg() and info.size > MAX_HEADER_BYTES:
            raise ShapebiasError(
                f"the archive has a header of more than {MAX_HEADER_BYTES} bytes; do not use it"
            )
        return info


def _checked_name(name: str, archive: Path) -> PurePosixPath:
    """Return an entry's name, after checking that it stays in the folder."""
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\\" in name or "\0" in name:
        raise _unsafe(
            archive, f"contains the name {_shortened(name)}, which leads out of its folder"
        )
    lengths = [len(os.fsencode(part)) for part in path.parts]
    if max(lengths, default=0) > MAX_PART_BYTES or sum(lengths) + len(lengths) > MAX_NAME_BYTES:
        raise _unsafe(archive, f"contains the name {_shortened(name)}, which is too long")
    return path


def _unsafe(archive: Path, reason: str) -> ShapebiasError:
    return ShapebiasError(f"{archive} {reason}; do not use it")


def _shortened(name: str) -> str:
    return repr(name if len(name) <= 100 else f"{name[:100]}…")
