"""Where a file came from: study, code, seeds, packages and inputs, carried inside the file."""

import hashlib
import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

PACKAGES = ("shapebias", "numpy", "pandas", "pillow", "pyarrow", "torch", "torchvision")

_current: ContextVar[dict[str, Any] | None] = ContextVar("provenance", default=None)


@contextmanager
def provenance(code: dict[str, Any], inputs: Iterable[str]) -> Iterator[None]:
    """Within this context every file written carries where it came from.

    Parameters
    ----------
    code
        Study's name, seed and the fingerprint of the code that makes the file.
    inputs
        Files that it is made from; their SHA-256 is recorded.
    """
    files = [Path(path) for path in inputs]
    record = {
        **code,
        "packages": {name: _version(name) for name in PACKAGES},
        # A path outside the checkout differs between machines; the file's name does not.
        "inputs": {
            path.name if path.is_absolute() else path.as_posix(): sha256_of(path)
            for path in files
            if path.is_file()
        },
    }
    token = _current.set(record)
    try:
        yield
    finally:
        _current.reset(token)


def current() -> dict[str, Any]:
    """Record of the `provenance` context; empty outside one."""
    return dict(_current.get() or {})


def metadata() -> dict[bytes, bytes]:
    """Parquet metadata of a file written now; empty outside a `provenance` context."""
    record = _current.get()
    return {b"shapebias": json.dumps(record, sort_keys=True).encode()} if record else {}


def sha256_of(path: str | Path) -> str:
    """SHA-256 of a file's content, in hexadecimal."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "absent"
