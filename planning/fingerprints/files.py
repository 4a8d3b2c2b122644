"""Digests of files and folders that a study reads."""

import hashlib
import json
import os
from functools import cache
from pathlib import Path

from shapebias.io.checksums import sha256_of

KEPT = Path(".snakemake", "digests.json")


class Digests:
    """SHA-256 of files by path, with the size and times that they had when they were read.

    Among the times is the one at which the system last saw a change, which nobody can set: a file
    that was restored with an older time is read again.
    """

    def __init__(self, file: Path = KEPT):
        self._file = file
        self._new = False
        try:
            self._known = json.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            self._known = {}

    def of(self, path: str | Path) -> str:
        """SHA-256 of a file's content, in hexadecimal."""
        seen = Path(path).stat()
        stamp = [seen.st_size, seen.st_mtime_ns, seen.st_ctime_ns]
        *known, digest = self._known.get(str(path), [None])
        if known != stamp:
            digest = sha256_of(path)
            self._known[str(path)] = [*stamp, digest]
            self._new = True
        return digest

    def save(self) -> None:
        """Keep what was read for the next time."""
        if self._new:
            self._file.parent.mkdir(exist_ok=True)
            temporary = self._file.with_name(f"{self._file.name}.{os.getpid()}")
            temporary.write_text(json.dumps(self._known), encoding="utf-8")
            temporary.replace(self._file)
            self._new = False


FILE_DIGESTS = Digests()


# Planning must stay quick: beyond this many bytes contents are not read, and beyond this many
# files not even their sizes.
MOST_BYTES = 512 * 2**20


MOST_FILES = 50_000


@cache
def folder_digest(folder: str) -> str:
    """Digest over the names of a folder's files, their sizes, and their content if not too large.

    The content of a single file always counts.

    Parameters
    ----------
    folder
        Folder or file. One that is not there gives "absent": the job that reads it says so.
    """
    root = Path(folder)
    if root.is_file():
        return FILE_DIGESTS.of(folder)
    if not root.exists():
        return "absent"
    names = sorted(_names_in(folder))
    digest = hashlib.sha256("\0".join(names).encode(errors="surrogateescape"))
    if len(names) > MOST_FILES:
        return digest.hexdigest()
    paths = [root / name for name in names]
    sizes = [path.stat().st_size for path in paths]
    digest.update(str(sizes).encode())
    if sum(sizes) <= MOST_BYTES:
        for path in paths:
            digest.update(path.read_bytes())
    return digest.hexdigest()


def _names_in(folder: str, above: tuple[str, ...] = ()) -> list[str]:
    here = os.path.realpath(folder)
    above = (*(above or map(str, Path(here).parents)), here)
    names = []
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_symlink() and not Path(entry.path).exists():
                continue
            # A link to a folder that it lies in would lead round in circles.
            if entry.is_dir() and os.path.realpath(entry.path) not in above:
                names += [f"{entry.name}/{name}" for name in _names_in(entry.path, above)]
            elif entry.is_file():
                names.append(entry.name)
    return names
