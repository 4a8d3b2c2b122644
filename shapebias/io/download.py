"""Downloads that can be resumed, are checked, and are whole or not there."""

import hashlib
import http.client
import re
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from shapebias.errors import ShapebiasError
from shapebias.progress import progress

CHUNK = 2**20
ATTEMPTS = 5
TIMEOUT_SECONDS = 60
# Answers after which it is worth asking again.
PASSING = (408, 425, 429, 500, 502, 503, 504)


def fetch(
    url: str,
    path: str | Path,
    *,
    checksum: str | None = None,
    size: int | None = None,
    attempts: int = ATTEMPTS,
    pause: float = 2.0,
) -> None:
    """Download a file, continuing where an earlier attempt was cut off.

    Parameters
    ----------
    url
        Address, http or https.
    path
        Where the file will be. Until it is whole and checked it lies beside that, under the name
        with ``.part``; a run that was stopped goes on from there.
    checksum
        "sha256:..." or "md5:..." in hexadecimal; None where none is known.
    size
        Length in bytes; None where it is not known.
    attempts
        How often in a row a connection may break without a byte having come.
    pause
        Seconds before the second attempt; before each further one twice as long.

    Raises
    ------
    ShapebiasError
        If the server refuses, the connection breaks too often, or the file is not what was
        expected; such a file is deleted.

    Notes
    -----
    A file that is there already is checked and kept. What is there in part is continued only where
    the checksum or the server's entity tag (If-Range) will tell whether the file has changed.
    """
    path, expected = Path(path), Expected(checksum, size)
    if not url.startswith(("https://", "http://")):
        raise ShapebiasError(f"cannot download {url}: it begins with neither https:// nor http://")
    if path.is_file():
        expected.check(path, url, advice="delete it and try again")
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    part, tag = (path.with_name(path.name + end) for end in (".part", ".part.tag"))
    if checksum is None and not tag.is_file():
        part.unlink(missing_ok=True)
    _complete(url, part, tag, attempts, pause)
    tag.unlink(missing_ok=True)
    try:
        expected.check(part, url, advice="it was deleted: try again")
    except ShapebiasError:
        part.unlink()
        raise
    part.replace(path)


@dataclass(frozen=True)
class Expected:
    """What a file should be; parameters as of `fetch`.

    Raises
    ------
    ShapebiasError
        If the checksum is of no known kind.
    """

    checksum: str | None
    size: int | None

    def __post_init__(self) -> None:
        if self.checksum and not re.fullmatch(
            "md5:[0-9a-fA-F]{32}|sha256:[0-9a-fA-F]{64}", self.checksum
        ):
            raise ShapebiasError(
                f"checksum {self.checksum!r} is neither md5: with 32 nor sha256: with 64 digits"
            )

    def check(self, path: Path, url: str, *, advice: str) -> None:
        """Raise `ShapebiasError` unless a file has this size and checksum."""
        found: list[tuple[str, object, object]] = []
        if self.size is not None:
            found.append(("size", path.stat().st_size, self.size))
        if self.checksum is not None:
            kind, _, wanted = self.checksum.lower().partition(":")
            found.append((kind, checksum_of(path, kind), wanted))
        for what, is_now, wanted in found:
            if is_now != wanted:
                raise ShapebiasError(
                    f"{path.name} from {url} has the {what} {is_now} instead of {wanted}; "
                    f"{advice}, or see whether the publisher has changed it"
                )


def checksum_of(path: Path, kind: str) -> str:
    """Checksum of a file's content, in hexadecimal; `kind` is "sha256" or "md5"."""
    with path.open("rb") as file:
        return hashlib.file_digest(
            file, lambda: hashlib.new(kind, usedforsecurity=False)
        ).hexdigest()


def _complete(url: str, part: Path, tag: Path, attempts: int, pause: float) -> None:
    """Add to a file what it lacks, asking again when the connection breaks."""
    failures = 0
    while True:
        before = part.stat().st_size if part.exists() else 0
        try:
            return _continue(url, part, tag)
        except urllib.error.HTTPError as error:
            why = f"the server answers {error.code} {error.reason}"
            if error.code not in PASSING:
                raise ShapebiasError(f"cannot download {url}: {why}") from error
        except (OSError, http.client.HTTPException) as error:
            said = str(getattr(error, "reason", error))
            why = " ".join(said.split()) or type(error).__name__
        came = part.exists() and part.stat().st_size > before
        failures = 1 if came else failures + 1
        if failures >= attempts:
            raise ShapebiasError(
                f"cannot download {url}: {why}; what has come is kept, so try again later"
            )
        time.sleep(pause * 2 ** (failures - 1))


def _continue(url: str, part: Path, tag: Path) -> None:
    """One request for what a file lacks."""
    start = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(url, headers={"User-Agent": "shapebias"})
    if start:
        request.add_header("Range", f"bytes={start}-")
        if tag.is_file():
            request.add_header("If-Range", tag.read_text(encoding="latin-1"))
    try:
        response = urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS)
    except urllib.error.HTTPError as error:
        # The range begins at the end: all of it has come, or the file has become shorter.
        if error.code == 416 and error.headers.get("Content-Range") == f"bytes */{start}":
            return
        if error.code == 416:
            part.unlink()
            raise ConnectionError("the file has changed meanwhile") from error
        raise
    with response:
        _receive(response, part, tag, start)


def _receive(response: Any, part: Path, tag: Path, start: int) -> None:
    if start and not _continues(response, start):
        start = 0
    _note_tag(response, tag)
    length = response.headers.get("Content-Length")
    expected = int(length) if length and length.isdecimal() else None
    mebibytes = None if expected is None else -(-expected // CHUNK)
    with part.open("ab" if start else "wb") as file:
        for chunk in progress(
            _chunks(response), what=f"MiB of {part.stem}", total=mebibytes, images=False
        ):
            _write(file, chunk)
    came = part.stat().st_size - start
    if expected is not None and came < expected:
        raise ConnectionError(f"the connection broke after {came} of {expected} bytes")


def _write(file: IO[bytes], chunk: bytes) -> None:
    try:
        file.write(chunk)
        file.flush()
    except OSError as error:
        raise ShapebiasError(f"cannot write {file.name}: {error.strerror}") from error


def _continues(response: Any, start: int) -> bool:
    """Whether an answer is the wanted rest of the file, not all of it."""
    return response.status == 206 and response.headers.get("Content-Range", "").startswith(
        f"bytes {start}-"
    )


def _note_tag(response: Any, tag: Path) -> None:
    """Keep a strong entity tag, by which a server tells whether the file is still the same."""
    found = response.headers.get("ETag", "")
    if found and not found.startswith("W/"):
        tag.write_text(found, encoding="latin-1")
    else:
        tag.unlink(missing_ok=True)


def _chunks(response: Any) -> Iterator[bytes]:
    while chunk := response.read(CHUNK):
        yield chunk
