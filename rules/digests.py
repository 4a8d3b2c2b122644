"""SHA-256 of files, read again only where a file may have changed since."""

import json
import os
from pathlib import Path

from shapebias.records import sha256_of

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


DIGESTS = Digests()
