"""Digests of files and folders that a study reads."""

import hashlib
import json
import os
from functools import cache
from pathlib import Path

from shapebias.io.checksums import sha256_of

# Digests by path, with the size and times that a file had when it was read.
DIGESTS_FILE = Path(".snakemake", "digests.json")
# So that planning stays quick, contents are not read if a folder has more bytes than this, nor
# sizes if it has more files.
MAX_BYTES = 512 * 2**20
MAX_FILES = 50_000


def file_digest(path: str | Path) -> str:
    """Return the SHA-256 of a file's content, in hexadecimal.

    A file is read again only if its size or times changed. One of them is the time of the last
    change (ctime), which no user can set: a file restored with an older time is read again.
    """
    try:
        digests = json.loads(DIGESTS_FILE.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        digests = {}
    status = Path(path).stat()
    stamp = [status.st_size, status.st_mtime_ns, status.st_ctime_ns]
    *recorded_stamp, digest = digests.get(str(path), [None])
    if recorded_stamp != stamp:
        digest = sha256_of(path)
        digests[str(path)] = [*stamp, digest]
        DIGESTS_FILE.parent.mkdir(exist_ok=True)
        temporary = DIGESTS_FILE.with_name(f"{DIGESTS_FILE.name}.{os.getpid()}")
        temporary.write_text(json.dumps(digests), encoding="utf-8")
        temporary.replace(DIGESTS_FILE)
    return digest


@cache
def folder_digest(folder: str) -> str:
    """Return a digest of a folder's file names, sizes and, if not too large, contents.

    The content of a single file always counts.

    Parameters
    ----------
    folder
        Folder or file. A missing one gives "absent"; the job that reads it raises the error.
    """
    root = Path(folder)
    if root.is_file():
        return file_digest(folder)
    if not root.exists():
        return "absent"
    names = sorted(_names_in(folder))
    digest = hashlib.sha256("\0".join(names).encode(errors="surrogateescape"))
    if len(names) > MAX_FILES:
        return digest.hexdigest()
    paths = [root / name for name in names]
    sizes = [path.stat().st_size for path in paths]
    digest.update(str(sizes).encode())
    if sum(sizes) <= MAX_BYTES:
        for path in paths:
            digest.update(path.read_bytes())
    return digest.hexdigest()


def _names_in(folder: str, parents: tuple[str, ...] = ()) -> list[str]:
    real_path = os.path.realpath(folder)
    parents = (*(parents or map(str, Path(real_path).parents)), real_path)
    names = []
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_symlink() and not Path(entry.path).exists():
                continue
            # A link to a folder that contains it would be followed for ever.
            if entry.is_dir() and os.path.realpath(entry.path) not in parents:
                names += [f"{entry.name}/{name}" for name in _names_in(entry.path, parents)]
            elif entry.is_file():
                names.append(entry.name)
    return names
