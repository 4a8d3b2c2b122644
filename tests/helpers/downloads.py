"""A local HTTP server and archives, with the faults that downloads have to survive."""

import io
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

CONTENT = bytes(range(256)) * 20_000
FILES = {"set/a/1.png": b"one", "set/b/2.png": b"two" * 1000, "set/list.csv": b""}


class Server(ThreadingHTTPServer):
    """Server of `content` at any address.

    `cuts` are the numbers of bytes after which the next connections break, and `statuses` the HTTP
    statuses of the next answers; `requests` are the headers that were received.
    """

    content = CONTENT
    etag: str | None = '"one"'
    ranges = True
    short = False

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.cuts: list[int] = []
        self.statuses: list[int] = []
        self.requests: list[dict[str, str]] = []
        self.url = f"http://127.0.0.1:{self.server_port}/a.bin"


class Handler(BaseHTTPRequestHandler):
    def log_message(self, *arguments):
        pass

    def do_GET(self):
        server = self.server
        server.requests.append(dict(self.headers))
        if server.statuses and (status := server.statuses.pop(0)) != 200:
            self.send_error(status)
            return
        start = self.start_of_range()
        if start >= len(server.content) and start:
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(server.content)}")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        body = server.content[start:]
        self.send_response(206 if start else 200)
        if start:
            span = f"bytes {start}-{len(server.content) - 1}/{len(server.content)}"
            self.send_header("Content-Range", span)
        if server.etag:
            self.send_header("ETag", server.etag)
        if not server.short:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: server.cuts.pop(0)] if server.cuts else body)
        self.close_connection = True

    def start_of_range(self):
        byte_range = self.headers.get("Range")
        unchanged = self.headers.get("If-Range") in (None, self.server.etag)
        if not (byte_range and self.server.ranges and unchanged):
            return 0
        return int(byte_range.removeprefix("bytes=").removesuffix("-"))


@contextmanager
def running_server() -> Iterator[Server]:
    """Run a `Server` in another thread."""
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def tar(path, files, mode="w:gz", **entries):
    """Write a tar archive of files, and of entries of other types by their name."""
    with tarfile.open(path, mode) as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(data), 0o4777
            archive.addfile(info, io.BytesIO(data))
        for name, (kind, target) in entries.items():
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, target
            archive.addfile(info)
    return path


def zipped(path, files):
    """Write a zip archive of files."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


PACKERS = {
    "zip": zipped,
    "tar": lambda path, files: tar(path, files, "w"),
    "tar.gz": tar,
    "tar.xz": lambda path, files: tar(path, files, "w:xz"),
    "tar.bz2": lambda path, files: tar(path, files, "w:bz2"),
}
