"""What each file of a study was when its job wrote it: its SHA-256, beside the results.

A file whose content is another was damaged or changed by hand, and nothing is computed from it.
"""

import hashlib
import os
from pathlib import Path

from shapebias.errors import ShapebiasError

RESULTS = "results"
FOLDER = "records"


def checksum_path(path: str | Path) -> Path | None:
    """Where the SHA-256 of a study's file is noted; None for a file that is no study's.

    It is a line as `sha256sum` writes it, so that ``sha256sum --check`` reads it.
    """
    top, *rest = Path(path).parts
    if top != RESULTS or len(rest) < 2 or rest[1] == FOLDER:
        return None
    study, *folders, name = rest
    return Path(RESULTS, study, FOLDER, "sha256", *folders, f"{name}.sha256")


def store_checksum(path: Path, content: Path) -> None:
    """Note that the file that `path` is about to become has the content of another."""
    if record := checksum_path(path):
        record.parent.mkdir(parents=True, exist_ok=True)
        temporary = record.with_name(content.name)
        temporary.write_text(f"{sha256_of(content)}  {path.as_posix()}\n", encoding="utf-8")
        os.replace(temporary, record)


def recorded_checksum(path: str | Path) -> str | None:
    """SHA-256 that a file had when its job wrote it; None where nothing was noted."""
    record = checksum_path(path)
    try:
        return record.read_text(encoding="utf-8")[:64] if record else None
    except FileNotFoundError:
        return None


def verify_checksum(path: str | Path, digest: str) -> None:
    """Raise `ShapebiasError` if a file's SHA-256 is not the one that its job noted."""
    if recorded_checksum(path) not in (None, digest):
        raise ShapebiasError(
            f"{path} was damaged or edited: its content is not what its job wrote; "
            "delete it and run again"
        )


def sha256_of(path: str | Path) -> str:
    """SHA-256 of a file's content, in hexadecimal."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
