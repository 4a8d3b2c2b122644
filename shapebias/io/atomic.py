"""Files that are whole or not there, and those that turn out to be damaged."""

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
    """Temporary path beside `path` that takes its name when the context ends without an error.

    The temporary name carries host and process, so that two copies of one job never share it, be
    they on two nodes of a cluster. What a job writes as a `result` is recorded by its SHA-256.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{socket.gethostname()}-{os.getpid()}.{path.name}")
    try:
        yield temporary
        # Before the file has its name: one without its record would be taken on trust.
        if result and current_code():
            store_checksum(path, temporary)
        os.replace(temporary, path)
    except OSError as error:
        # A full disk is told of without the file's name.
        error.filename = error.filename or os.fspath(path)
        raise
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def parquet_errors(path: str | Path) -> Iterator[None]:
    """Within this context a damaged or missing Parquet file is an error that names it."""
    try:
        yield
    except (pa.ArrowInvalid, OSError) as error:
        raise ShapebiasError(
            f"cannot read {path}: {' '.join(str(error).split())}; "
            "delete it and run again to make it anew"
        ) from error


def write_text(text: str, path: str | Path) -> None:
    """Write a text file whole."""
    with atomic_write(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
