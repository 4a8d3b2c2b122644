"""Archives unpacked without following links, leaving the folder, or filling the disk."""

import os
import shutil
import socket
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from shapebias.errors import ShapebiasError
from shapebias.progress import progress

CHUNK = 2**20
# Images hardly shrink when packed; an archive that grows more than this is made to fill a disk.
MOST_GROWTH = 100
LEAST_ALLOWED = 16 * 2**20
MOST_FILES = 5_000_000


@dataclass(frozen=True)
class Member:
    """One entry of an archive: its name, what it is, and how its content is opened."""

    name: str
    kind: str
    open: Callable[[], IO[bytes]]


def unpack(archive: str | Path, folder: str | Path) -> int:
    """Unpack a .tar, .tar.gz, .tar.xz, .tar.bz2 or .zip file into a new folder.

    Only plain files and folders are made, with the rights that new files have here.

    Parameters
    ----------
    archive
        The file; its content tells its kind.
    folder
        Must not exist yet, or be empty. It appears when all is unpacked.

    Returns
    -------
    Number of files.

    Raises
    ------
    ShapebiasError
        If the archive is damaged; holds a link, a device, or a name outside the folder; unpacks
        to more than a hundred times its size; or if the folder is in use. Nothing is left behind.
    """
    archive, folder = Path(archive), Path(folder)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ShapebiasError(f"{folder} is there already; remove it to unpack {archive} again")
    temporary = folder.with_name(f".{socket.gethostname()}-{os.getpid()}.{folder.name}")
    temporary.mkdir(parents=True)
    try:
        count = _unpack(archive, temporary)
        temporary.replace(folder)
        return count
    except ShapebiasError:
        raise
    # Damaged archives raise errors of almost every class.
    except Exception as error:
        said = " ".join(str(error).split()) or type(error).__name__
        raise ShapebiasError(f"cannot unpack {archive}: {said}") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _unpack(archive: Path, folder: Path) -> int:
    allowed = max(LEAST_ALLOWED, MOST_GROWTH * archive.stat().st_size)
    files = 0
    for member in progress(_members(archive), what=f"unpacking {archive.name}", images=False):
        target = folder / _inside(member.name, archive)
        if member.kind == "folder":
            target.mkdir(parents=True, exist_ok=True)
            continue
        if member.kind != "file":
            raise ShapebiasError(
                f"{archive} holds the {member.kind} {member.name!r}; do not use it"
            )
        files += 1
        allowed -= _write(member, target, allowed)
        if allowed < 0 or files > MOST_FILES:
            raise ShapebiasError(
                f"{archive} unpacks to more than {MOST_GROWTH} times its size, or to more than "
                f"{MOST_FILES} files; do not use it"
            )
    return files


def _write(member: Member, target: Path, allowed: int) -> int:
    """Write one file, up to one chunk more than is allowed, and give its length."""
    target.parent.mkdir(parents=True, exist_ok=True)
    written = 0
    # "x": a second file of one name would replace the first unseen.
    with member.open() as content, target.open("xb") as file:
        while written <= allowed and (chunk := content.read(CHUNK)):
            written += file.write(chunk)
    return written


def _inside(name: str, archive: Path) -> PurePosixPath:
    """A member's name, once it is sure that it stays in the folder."""
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\\" in name or "\0" in name:
        raise ShapebiasError(
            f"{archive} holds the name {name!r}, which leads out of its folder; do not use it"
        )
    return path


def _members(archive: Path) -> Iterator[Member]:
    with archive.open("rb") as file:
        zipped = file.read(4) in (b"PK\3\4", b"PK\5\6")
    yield from _of_zip(archive) if zipped else _of_tar(archive)


def _of_zip(archive: Path) -> Iterator[Member]:
    with zipfile.ZipFile(archive) as file:
        for info in file.infolist():
            # Unix puts what an entry is into the upper half; 0 where the packer said nothing.
            mode = info.external_attr >> 16 & 0o170000
            kind = "file" if mode in (0, 0o100000) else KINDS.get(mode, "special file")
            kind = "folder" if info.is_dir() else kind
            yield Member(info.filename, kind, lambda info=info: file.open(info))


def _of_tar(archive: Path) -> Iterator[Member]:
    with tarfile.open(archive, "r|*") as file:
        while info := file.next():
            kind = "folder" if info.isdir() else "file" if info.isreg() else "special file"
            kind = "link" if info.issym() or info.islnk() else kind
            yield Member(info.name, kind, lambda info=info: file.extractfile(info))
            # Otherwise it keeps a list of all members, which may be millions.
            file.members.clear()


KINDS = {0o120000: "link", 0o040000: "folder"}
