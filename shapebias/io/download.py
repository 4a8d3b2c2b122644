"""Downloads that can be resumed and are verified before the file gets its name."""

import hashlib
import http.client
import re
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from shapebias.errors import ShapebiasError
from shapebias.progress import progress

CHUNK_BYTES = 2**20
ATTEMPTS = 5
TIMEOUT_SECONDS = 60
# HTTP statuses after which a request is worth repeating.
TEMPORARY_STATUSES = (408, 425, 429, 500, 502, 503, 504)


def fetch(
    url: str,
    path: str | Path,
    *,
    checksum: str | None = None,
    size: int | None = None,
    attempts: int = ATTEMPTS,
    pause: float = 2.0,
) -> None:
    """Download a file; an interrupted download is resumed.

    Parameters
    ----------
    url
        Address, http or https.
    path
        Where to put the file. Until it is complete and verified it has ``.part`` at the end of
        its name; a later run resumes from there.
    checksum
        "sha256:..." or "md5:..." in hexadecimal; None where it is unknown.
    size
        Length in bytes; None where it is unknown.
    attempts
        Number of consecutive attempts that may fail without receiving a byte.
    pause
        Seconds before the second attempt; doubled before each further one.

    Raises
    ------
    ShapebiasError
        If the server refuses, the connection breaks too often, or the file differs from what was
        expected; such a file is deleted.

    Notes
    -----
    An existing file is verified and not downloaded again. A partial file is resumed only if the
    checksum or the server's entity tag (If-Range) can show whether the file has changed.
    """
    path, expected = Path(path), Expected(checksum, size)
    if not url.startswith(("https://", "http://")):
        raise ShapebiasError(f"cannot download {url}: it begins with neither https:// nor http://")
    if path.is_file():
        expected.check(path, url, advice="delete it and run again")
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    part, tag = (path.with_name(path.name + end) for end in (".part", ".part.tag"))
    if checksum is None and not tag.is_file():
        part.unlink(missing_ok=True)
    _download_with_retries(url, part, tag, attempts, pause)
    tag.unlink(missing_ok=True)
    try:
        expected.check(part, url, advice="it was deleted: run again")
    except ShapebiasError:
        part.unlink()
        raise
    part.replace(path)


@dataclass(frozen=True)
class Expected:
    """Checksum and size that a file should have; parameters as for `fetch`.

    Raises
    ------
    ShapebiasError
        If the checksum is not a SHA-256 or MD5 of the right length.
    """

    checksum: str | None
    size: int | None

    def __post_init__(self) -> None:
        pattern = "md5:[0-9a-fA-F]{32}|sha256:[0-9a-fA-F]{64}"
        if self.checksum and not re.fullmatch(pattern, self.checksum):
            raise ShapebiasError(
                f"checksum {self.checksum!r} is neither md5: with 32 nor sha256: with 64 digits"
            )

    def check(self, path: Path, url: str, *, advice: str) -> None:
        """Raise `ShapebiasError` unless a file has this size and checksum."""
        properties: list[tuple[str, object, object]] = []
        if self.size is not None:
            properties.append(("size", path.stat().st_size, self.size))
        if self.checksum is not None:
            kind, _, digest = self.checksum.lower().partition(":")
            properties.append((kind, checksum_of(path, kind), digest))
        for name, actual, expected in properties:
            if actual != expected:
                raise ShapebiasError(
                    f"{path.name} from {url} has the {name} {actual} instead of {expected}; "
                    f"{advice}, or see whether the publisher has changed it"
                )


def checksum_of(path: Path, kind: str) -> str:
    """Compute the checksum of a file's content, in hexadecimal; `kind` is "sha256" or "md5"."""
    with path.open("rb") as file:
        new_hash = partial(hashlib.new, kind, usedforsecurity=False)
        return hashlib.file_digest(file, new_hash).hexdigest()


def _download_with_retries(url: str, part: Path, tag: Path, attempts: int, pause: float) -> None:
    """Append to a partial file what is missing, and retry when the connection breaks."""
    failures = 0
    while True:
        size_before = part.stat().st_size if part.exists() else 0
        try:
            return _resume(url, part, tag, size_before)
        except urllib.error.HTTPError as error:
            reason = f"the server answers {error.code} {error.reason}"
            if error.code not in TEMPORARY_STATUSES:
                raise ShapebiasError(f"cannot download {url}: {reason}") from error
        except (OSError, http.client.HTTPException) as error:
            text = " ".join(str(getattr(error, "reason", error)).split())
            reason = text or type(error).__name__
        has_grown = part.exists() and part.stat().st_size > size_before
        failures = 1 if has_grown else failures + 1
        if failures >= attempts:
            raise ShapebiasError(
                f"cannot download {url}: {reason}; run again later to resume the download"
            )
        time.sleep(pause * 2 ** (failures - 1))


def _resume(url: str, part: Path, tag: Path, start: int) -> None:
    """Request the bytes of a file from `start` on."""
    request = urllib.request.Request(url, headers={"User-Agent": "shapebias"})
    if start:
        request.add_header("Range", f"bytes={start}-")
        if tag.is_file():
            request.add_header("If-Range", tag.read_text(encoding="latin-1"))
    try:
        response = urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS)
    except urllib.error.HTTPError as error:
        # The range begins at the end: the file is complete, or has become shorter on the server.
        if error.code == 416 and error.headers.get("Content-Range") == f"bytes */{start}":
            return
        if error.code == 416:
            part.unlink()
            raise ConnectionError("the file has changed on the server") from error
        raise
    with response:
        _receive(response, part, tag, start)


def _receive(response: http.client.HTTPResponse, part: Path, tag: Path, start: int) -> None:
    """Append a response to a partial file, or replace it where the server sends the whole file."""
    content_range = response.headers.get("Content-Range", "")
    if response.status != 206 or not content_range.startswith(f"bytes {start}-"):
        start = 0
    # A strong entity tag shows later whether the file on the server is still the same.
    etag = response.headers.get("ETag", "")
    if etag and not etag.startswith("W/"):
        tag.write_text(etag, encoding="latin-1")
    else:
        tag.unlink(missing_ok=True)
    length = response.headers.get("Content-Length", "")
    expected = int(length) if length.isdecimal() else None
    chunks = progress(
        iter(partial(response.read, CHUNK_BYTES), b""),
        what=f"MiB of {part.stem}",
        total=None if expected is None else -(-expected // CHUNK_BYTES),
        images=False,
    )
    with part.open("ab" if start else "wb") as file:
        for chunk in chunks:
            try:
                file.write(chunk)
                file.flush()
            except OSError as error:
                raise ShapebiasError(f"cannot write {file.name}: {error.strerror}") from error
    received = part.stat().st_size - start
    if expected is not None and received < expected:
        raise ConnectionError(f"the connection broke after {received} of {expected} bytes")
