"""Provenance that each file carries: study, code, seed, package versions and inputs."""

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from shapebias.io.checksums import sha256_of, verify_checksum

PACKAGES = ("shapebias", "numpy", "pandas", "pillow", "pyarrow", "torch", "torchvision")

_current: ContextVar[dict[str, Any] | None] = ContextVar("provenance", default=None)


@contextmanager
def provenance(code: dict[str, Any], inputs: Iterable[str]) -> Iterator[None]:
    """Add provenance to every file written in this context.

    Parameters
    ----------
    code
        Name and seed of the study, and the fingerprint of the code that writes the file.
    inputs
        Files that the written files depend on; their SHA-256 is recorded.

    Raises
    ------
    ShapebiasError
        If the checksum of an input differs from the one that its job recorded.
    """
    digests = {path: sha256_of(path) for path in map(Path, inputs) if path.is_file()}
    for path, digest in digests.items():
        verify_checksum(path, digest)
    record = {
        **code,
        "packages": {name: _version(name) for name in PACKAGES},
        # A path outside the checkout differs between machines; the file's name does not.
        "inputs": {
            path.name if path.is_absolute() else path.as_posix(): digest
            for path, digest in digests.items()
        },
    }
    token = _current.set(record)
    try:
        yield
    finally:
        _current.reset(token)


def current_code() -> dict[str, Any]:
    """Return the record of the current `provenance` context; empty outside one."""
    return dict(_current.get() or {})


def metadata() -> dict[bytes, bytes]:
    """Return the provenance as Parquet metadata; empty outside a `provenance` context."""
    record = _current.get()
    return {b"shapebias": json.dumps(record, sort_keys=True).encode()} if record else {}


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "absent"
