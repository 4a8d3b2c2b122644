"""SHA-256 checksums of a study's files, recorded by the jobs that write them.

A file whose checksum differs from the recorded one was damaged or edited; jobs refuse to read it.
"""

import hashlib
import os
from pathlib import Path

from shapebias.errors import ShapebiasError

RESULTS = "results"
FOLDER = "records"


def checksum_path(path: str | Path) -> Path | None:
    """Return where the SHA-256 of a study's file is recorded; None for other files.

    Each record is a line as `sha256sum` writes it, so that ``sha256sum --check`` can read it.

    Examples
    --------
    >>> checksum_path("results/tiny/tables/accuracy.csv").as_posix()
    'results/tiny/records/sha256/tables/accuracy.csv.sha256'
    """
    top, *parts = Path(path).parts
    if top != RESULTS or len(parts) < 2 or parts[1] == FOLDER:
        return None
    study, *folders, name = parts
    return Path(RESULTS, study, FOLDER, "sha256", *folders, f"{name}.sha256")


def store_checksum(path: Path, content: Path) -> None:
    """Record the SHA-256 of the file `content`, which is about to be renamed to `path`."""
    if record := checksum_path(path):
        record.parent.mkdir(parents=True, exist_ok=True)
        temporary = record.with_name(content.name)
        temporary.write_text(f"{sha256_of(content)}  {path.as_posix()}\n", encoding="utf-8")
        os.replace(temporary, record)


def recorded_checksum(path: str | Path) -> str | None:
    """Return the SHA-256 that a file had when its job wrote it; None without a record."""
    record = checksum_path(path)
    try:
        return record.read_text(encoding="utf-8")[:64] if record else None
    except FileNotFoundError:
        return None


def verify_checksum(path: str | Path, digest: str) -> None:
    """Raise `ShapebiasError` if a file's SHA-256 differs from the recorded one."""
    if recorded_checksum(path) not in (None, digest):
        raise ShapebiasError(
            f"{path}: checksum differs from the recorded one (damaged or edited); "
            "delete it and run again"
        )


def sha256_of(path: str | Path) -> str:
    """Compute the SHA-256 of a file's content, in hexadecimal."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
