"""Archives unpacked without following links, leaving the folder, or filling the disk."""

import bz2
import gzip
import lzma
import math
import os
import shutil
import socket
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any

from shapebias.errors import ShapebiasError
from shapebias.progress import progress

CHUNK = 2**20
# Images hardly shrink when packed; an archive that grows more than this is made to fill a disk.
MOST_GROWTH = 100
LEAST_ALLOWED = 16 * 2**20
MOST_MEMBERS = 5_000_000
# All that a tar archive says of one member; a header that says it is longer fills the memory.
MOST_HEADER = 2**20
# What file systems allow.
LONGEST_PART, LONGEST_NAME = 255, 1024


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
        If the archive is damaged or empty; holds a link, a device, or a name that leads out of
        the folder, is too long or comes twice; unpacks to more than a hundred times its size; or
        if the folder is in use. Nothing is left behind.
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
        # Of the system's own errors not the text, which names the temporary folder.
        said = getattr(error, "strerror", None) or " ".join(str(error).split())
        raise ShapebiasError(f"cannot unpack {archive}: {said or type(error).__name__}") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _unpack(archive: Path, folder: Path) -> int:
    allowed = max(LEAST_ALLOWED, MOST_GROWTH * archive.stat().st_size)
    files = 0
    members = progress(_members(archive), what=f"unpacking {archive.name}", images=False)
    for count, member in enumerate(members, start=1):
        if count > MOST_MEMBERS:
            raise ShapebiasError(f"{archive} holds more than {MOST_MEMBERS} entries; do not use it")
        if member.kind not in ("file", "folder"):
            raise ShapebiasError(
                f"{archive} holds the {member.kind} {_shown(member.name)}; do not use it"
            )
        target = folder / _inside(member.name, archive)
        try:
            if member.kind == "folder":
                target.mkdir(parents=True, exist_ok=True)
                continue
            files += 1
            allowed -= _write(member, target, allowed)
        except (FileExistsError, NotADirectoryError, IsADirectoryError) as error:
            raise ShapebiasError(
                f"{archive} holds {_shown(member.name)} twice, or as a file and a folder; "
                "do not use it"
            ) from error
        if allowed < 0:
            raise ShapebiasError(
                f"{archive} unpacks to more than {MOST_GROWTH} times its size; do not use it"
            )
    if not files:
        raise ShapebiasError(f"{archive} holds no file; get it anew")
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
            f"{archive} holds the name {_shown(name)}, which leads out of its folder; do not use it"
        )
    parts = [len(os.fsencode(part)) for part in path.parts]
    if max(parts, default=0) > LONGEST_PART or sum(parts) + len(parts) > LONGEST_NAME:
        raise ShapebiasError(
            f"{archive} holds the name {_shown(name)}, which is too long; do not use it"
        )
    return path


def _shown(name: str) -> str:
    return repr(name if len(name) <= 100 else f"{name[:100]}…")


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
    with _decompressed(archive) as content:
        stream = _Limited(content, archive)
        with tarfile.open(fileobj=stream, mode="r|") as file:
            while info := file.next():
                stream.left = math.inf
                kind = "folder" if info.isdir() else "file" if info.isreg() else "special file"
                kind = "link" if info.issym() or info.islnk() else kind
                yield Member(info.name, kind, lambda info=info: file.extractfile(info))
                # Otherwise it keeps a list of all members, which may be millions.
                file.members.clear()
                stream.left = MOST_HEADER


def _decompressed(archive: Path) -> Any:
    """Content of an archive as a file, whichever of the three ways, or none, it is packed in."""
    with archive.open("rb") as file:
        start = file.read(6)
    ways = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ\0": lzma.open}
    return next((way for magic, way in ways.items() if start.startswith(magic)), open)(
        archive, "rb"
    )


class _Limited:
    """A stream that refuses to be read further than the bytes `left`."""

    def __init__(self, content: Any, archive: Path):
        self.content, self.archive, self.left = content, archive, MOST_HEADER

    def read(self, size: int) -> bytes:
        data = self.content.read(size)
        self.left -= len(data)
        if self.left < 0:
            raise ShapebiasError(
                f"{self.archive} says more than {MOST_HEADER} bytes of one entry; do not use it"
            )
        return data


KINDS = {0o120000: "link", 0o040000: "folder"}
