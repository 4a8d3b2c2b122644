"""Files that are written whole or not at all, and errors that name damaged files."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa

from shapebias.errors import ShapebiasError
from shapebias.io.checksums import store_checksum
from shapebias.io.provenance import current_code


@contextmanager
def atomic_write(path: str | Path, *, result: bool = True) -> Iterator[Path]:
    """Yield a temporary path that is renamed to `path` when the context ends without an error.

    The temporary name contains host and process id, so that two copies of one job never share it,
    even on two nodes of a cluster.

    Parameters
    ----------
    path
        File to write; its folder is created.
    result
        Whether the file is a result of a job, whose SHA-256 is recorded.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{socket.gethostname()}-{os.getpid()}.{path.name}")
    try:
        yield temporary
        # Before the renaming: a file without a recorded checksum is trusted.
        if result and current_code():
            store_checksum(path, temporary)
        os.replace(temporary, path)
    except OSError as error:
        # The error of a full disk does not name the file.
        error.filename = error.filename or os.fspath(path)
        raise
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def parquet_errors(path: str | Path) -> Iterator[None]:
    """Raise `ShapebiasError` with the file's name if reading Parquet fails in this context."""
    try:
        yield
    except (pa.ArrowInvalid, OSError) as error:
        raise ShapebiasError(
            f"cannot read {path}: {' '.join(str(error).split())}; "
            "delete it and run again to recreate it"
        ) from error


def write_text(text: str, path: str | Path) -> None:
    """Write a text file in UTF-8, whole or not at all."""
    with atomic_write(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
