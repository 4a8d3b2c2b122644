import bz2
import gzip
import hashlib
import io
import json
import os
import shutil
import stat
import tarfile
import threading
import tracemalloc
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from shapebias.errors import ShapebiasError
from shapebias.io.archives import unpack
from shapebias.io.download import Expected, fetch
from shapebias.stimuli.dataset_downloads import ARCHIVES, Archive, bring, download

CONTENT = bytes(range(256)) * 20_000
SHA256 = "sha256:" + hashlib.sha256(CONTENT).hexdigest()
MD5 = "md5:" + hashlib.md5(CONTENT).hexdigest()


class Server(ThreadingHTTPServer):
    """Gives `content` under any address, cutting the answers off as `cuts` says."""

    content = CONTENT
    etag: str | None = '"one"'
    ranges = True
    short = False

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.cuts: list[int] = []
        self.statuses: list[int] = []
        self.seen: list[dict[str, str]] = []
        self.url = f"http://127.0.0.1:{self.server_port}/a.bin"


class Handler(BaseHTTPRequestHandler):
    def log_message(self, *arguments):
        pass

    def do_GET(self):
        server = self.server
        server.seen.append(dict(self.headers))
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
        wanted = self.headers.get("Range")
        same = self.headers.get("If-Range") in (None, self.server.etag)
        if not (wanted and self.server.ranges and same):
            return 0
        return int(wanted.removeprefix("bytes=").removesuffix("-"))


@pytest.fixture
def server():
    with Server() as one:
        thread = threading.Thread(target=one.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield one
        one.shutdown()
        thread.join()


def get(server, path, **settings):
    fetch(server.url, path, pause=0.001, **settings)
    return path.read_bytes()


def left(folder):
    return sorted(one.name for one in folder.iterdir())


@pytest.mark.parametrize("checksum", [None, SHA256, MD5, SHA256.upper().replace("SHA", "sha")])
def test_a_file_is_downloaded_and_checked(server, tmp_path, checksum):
    path = tmp_path / "deep/a.bin"
    assert get(server, path, checksum=checksum, size=len(CONTENT)) == CONTENT
    assert left(path.parent) == ["a.bin"]


def test_a_file_that_is_there_is_checked_and_kept(server, tmp_path):
    path = tmp_path / "a.bin"
    path.write_bytes(CONTENT)
    assert get(server, path, checksum=SHA256) == CONTENT and server.seen == []
    path.write_bytes(CONTENT[:-1])
    for expected in ({"checksum": SHA256}, {"checksum": MD5}, {"size": len(CONTENT)}):
        with pytest.raises(ShapebiasError, match=r"instead of .*; delete it and run again"):
            get(server, path, **expected)
    assert path.exists()


def test_a_cut_connection_is_continued(server, tmp_path):
    server.cuts = [1_500_000, 10, 2_000_000]
    assert get(server, tmp_path / "a.bin", checksum=SHA256) == CONTENT
    starts = [headers.get("Range") for headers in server.seen]
    assert starts == [None, "bytes=1500000-", "bytes=1500010-", "bytes=3500010-"]
    assert left(tmp_path) == ["a.bin"]


@pytest.mark.parametrize("checksum", [None, SHA256])
def test_a_later_run_goes_on_where_an_earlier_one_stopped(server, tmp_path, checksum):
    server.cuts = [2_000_000, 0, 0]
    with pytest.raises(ShapebiasError, match="run again later to resume") as error:
        get(server, tmp_path / "a.bin", checksum=checksum, attempts=3)
    assert "\n" not in str(error.value) and "broke after 0 of" in str(error.value)
    assert left(tmp_path) == ["a.bin.part", "a.bin.part.tag"]
    assert get(server, tmp_path / "a.bin", checksum=checksum) == CONTENT
    assert server.seen[-1]["Range"] == "bytes=2000000-"
    assert server.seen[-1]["If-Range"] == '"one"'


def test_a_file_that_changed_meanwhile_is_begun_anew(server, tmp_path):
    server.cuts = [2_000_000]
    with pytest.raises(ShapebiasError):
        get(server, tmp_path / "a.bin", attempts=1)
    server.etag, server.content = '"two"', CONTENT[::-1]
    assert get(server, tmp_path / "a.bin") == CONTENT[::-1]


def test_nothing_is_continued_that_could_not_be_told_apart(server, tmp_path):
    server.etag = None
    server.cuts = [2_000_000]
    with pytest.raises(ShapebiasError):
        get(server, tmp_path / "a.bin", attempts=1)
    server.content = CONTENT[::-1]
    assert get(server, tmp_path / "a.bin") == CONTENT[::-1]
    assert "Range" not in server.seen[-1]


def test_a_server_without_ranges_gives_the_whole_again(server, tmp_path):
    server.ranges = False
    server.cuts = [2_000_000]
    assert get(server, tmp_path / "a.bin", checksum=SHA256) == CONTENT


def test_a_part_that_is_already_whole_is_taken(server, tmp_path):
    (tmp_path / "a.bin.part").write_bytes(CONTENT)
    assert get(server, tmp_path / "a.bin", checksum=SHA256) == CONTENT
    assert len(server.seen) == 1


def test_a_part_longer_than_the_file_is_begun_anew(server, tmp_path):
    (tmp_path / "a.bin.part").write_bytes(CONTENT + b"more")
    assert get(server, tmp_path / "a.bin", checksum=SHA256) == CONTENT


@pytest.mark.parametrize(
    ("expected", "what"),
    [
        ({"checksum": "sha256:" + 64 * "0"}, "sha256"),
        ({"checksum": "md5:" + 32 * "0"}, "md5"),
        ({"size": 7}, "size"),
    ],
)
def test_a_wrong_file_is_deleted(server, tmp_path, expected, what):
    with pytest.raises(ShapebiasError, match=f"has the {what} .* instead of") as error:
        get(server, tmp_path / "a.bin", **expected)
    assert server.url in str(error.value) and "\n" not in str(error.value)
    assert left(tmp_path) == []


def test_an_answer_cut_short_without_a_length_is_found_by_the_checksum(server, tmp_path):
    server.short, server.cuts = True, [1000]
    with pytest.raises(ShapebiasError, match="has the sha256"):
        get(server, tmp_path / "a.bin", checksum=SHA256)


def test_passing_faults_are_waited_out(server, tmp_path):
    server.statuses = [503, 429, 200]
    assert get(server, tmp_path / "a.bin") == CONTENT
    assert len(server.seen) == 3


def test_a_lasting_fault_is_told_at_once(server, tmp_path):
    server.statuses = [404, 404]
    with pytest.raises(ShapebiasError, match="the server answers 404 Not Found"):
        get(server, tmp_path / "a.bin")
    assert len(server.seen) == 1 and left(tmp_path) == []


def test_no_server(tmp_path, server):
    server.shutdown()
    server.server_close()
    with pytest.raises(ShapebiasError, match=r"cannot download .*refused") as error:
        get(server, tmp_path / "a.bin", attempts=2)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://a/b", "/etc/passwd"])
def test_other_addresses_are_refused(tmp_path, url):
    with pytest.raises(ShapebiasError, match="begins with neither"):
        fetch(url, tmp_path / "a")


@pytest.mark.parametrize("checksum", ["sha1:" + 40 * "0", "md5:12", "x"])
def test_a_checksum_that_is_none_is_refused_before_the_download(server, tmp_path, checksum):
    with pytest.raises(ShapebiasError, match="is neither md5"):
        get(server, tmp_path / "a.bin", checksum=checksum)
    assert server.seen == []


FILES = {"set/a/1.png": b"one", "set/b/2.png": b"two" * 1000, "set/list.csv": b""}


def tar(path, files, mode="w:gz", **entries):
    """Tar archive of files, and of entries of other kinds by their name."""
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


@pytest.mark.parametrize("kind", PACKERS)
def test_archives_are_unpacked(tmp_path, kind):
    # The name says nothing; the content does.
    archive = PACKERS[kind](tmp_path / "archive", FILES)
    assert unpack(archive, tmp_path / "there") == 3
    found = {
        one.relative_to(tmp_path / "there").as_posix(): one.read_bytes()
        for one in (tmp_path / "there").rglob("*")
        if one.is_file()
    }
    assert found == FILES
    # Rights in the archive (here: run as its owner) are not taken over.
    mode = (tmp_path / "there/set/a/1.png").stat().st_mode
    assert not mode & (stat.S_ISUID | stat.S_IXUSR)
    assert left(tmp_path) == ["archive", "there"]


def refused(archive, tmp_path, match):
    before = left(tmp_path)
    with pytest.raises(ShapebiasError, match=match) as error:
        unpack(archive, tmp_path / "there")
    assert "\n" not in str(error.value)
    assert left(tmp_path) == before


@pytest.mark.parametrize("kind", PACKERS)
@pytest.mark.parametrize("name", ["../out.png", "a/../../out.png", "/out.png", "a\\..\\out.png"])
def test_a_name_that_leads_out_is_refused(tmp_path, kind, name):
    inner = tmp_path / "inner"
    inner.mkdir()
    refused(PACKERS[kind](inner / "archive", {**FILES, name: b"x"}), inner, "leads out of")
    assert left(tmp_path) == ["inner"]


@pytest.mark.parametrize(
    ("kind", "target", "what"),
    [
        (tarfile.SYMTYPE, "/etc", "link"),
        (tarfile.SYMTYPE, "a/1.png", "link"),
        (tarfile.LNKTYPE, "/etc/passwd", "link"),
        (tarfile.CHRTYPE, "", "special file"),
        (tarfile.FIFOTYPE, "", "special file"),
    ],
)
def test_links_and_devices_are_refused(tmp_path, kind, target, what):
    archive = tar(tmp_path / "archive", FILES, odd=(kind, target))
    refused(archive, tmp_path, f"contains the {what} 'odd'")


def test_a_link_in_a_zip_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "archive", "w") as archive:
        info = zipfile.ZipInfo("odd")
        info.external_attr = 0o120777 << 16
        archive.writestr(info, "/etc")
        archive.writestr("odd/passwd", "x")
    refused(tmp_path / "archive", tmp_path, "contains the link 'odd'")


@pytest.mark.parametrize("kind", ["zip", "tar.gz", "tar.xz", "tar.bz2"])
def test_a_bomb_is_refused_before_it_goes_off(tmp_path, kind, monkeypatch):
    archive = PACKERS[kind](tmp_path / "archive", {"a": bytes(60_000_000)})
    assert archive.stat().st_size < 100_000
    sizes = []
    remove = shutil.rmtree

    def remove_and_note(folder, **settings):
        sizes.append(sum(one.stat().st_size for one in folder.rglob("*")))
        remove(folder, **settings)

    monkeypatch.setattr(shutil, "rmtree", remove_and_note)
    refused(archive, tmp_path, "unpacks to more than 100 times its size")
    assert sizes[0] < 20_000_000


def test_many_files_that_are_small_each_are_a_bomb_too(tmp_path):
    files = {f"{number}": bytes(1_000_000) for number in range(30)}
    refused(zipped(tmp_path / "archive", files), tmp_path, "unpacks to more than")


def test_a_zip_that_lies_about_its_size_is_refused(tmp_path):
    """What counts are the bytes that come out, not those that the archive states."""
    archive = zipped(tmp_path / "archive", {"a": bytes(60_000_000)})
    data = archive.read_bytes().replace((60_000_000).to_bytes(4, "little"), b"\1\0\0\0")
    archive.write_bytes(data)
    refused(archive, tmp_path, r"unpacks to more than|cannot unpack")


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("packer", [zipped, tar])
def test_a_name_that_comes_twice_is_refused(tmp_path, packer):
    path = tmp_path / "archive"
    if packer is zipped:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("a", "one")
            archive.writestr("a", "two")
    else:
        packer(path, {"a": b"one", "./a": b"two"})
    refused(path, tmp_path, "a' twice, or as a file and a folder; do not use it")


@pytest.mark.parametrize("packer", [zipped, tar])
def test_an_archive_without_files_is_refused(tmp_path, packer):
    refused(packer(tmp_path / "archive", {}), tmp_path, "contains no file; download it again")


@pytest.mark.parametrize("packer", [zipped, tar])
@pytest.mark.parametrize("names", [("a", "a/b"), ("a/b", "a"), ("a", "a/")])
def test_a_name_of_a_file_and_a_folder_is_refused(tmp_path, packer, names):
    archive = packer(tmp_path / "archive", dict.fromkeys(names, b"x"))
    refused(archive, tmp_path, "twice, or as a file and a folder")


@pytest.mark.parametrize("packer", [zipped, tar])
@pytest.mark.parametrize("name", ["a" * 300, "é" * 200, "a/" * 3000 + "b"])
def test_a_name_too_long_is_refused(tmp_path, packer, name):
    archive = packer(tmp_path / "archive", {name: b"x"})
    refused(archive, tmp_path, r"archive contains the name '.{100}…', which is too long")


@pytest.mark.parametrize("kind", PACKERS)
def test_entries_without_content_count_as_well(tmp_path, monkeypatch, kind):
    monkeypatch.setattr("shapebias.io.archives.MAX_ENTRIES", 20)
    assert unpack(PACKERS[kind](tmp_path / "ok", FILES), tmp_path / "all") == len(FILES)
    archive = tmp_path / "archive"
    if kind == "zip":
        zipped(archive, {f"{number}/": b"" for number in range(21)})
    else:
        folders = {f"{number}": (tarfile.DIRTYPE, "") for number in range(21)}
        tar(archive, {}, "w:" + kind[4:], **folders)
    refused(archive, tmp_path, "contains more than 20 entries")


@pytest.mark.parametrize("kind", [b"x", b"g", b"L", b"K"])
def test_a_header_that_would_fill_the_memory_is_refused(tmp_path, kind):
    header = tarfile.TarInfo("a")
    header.type, header.size = kind, 100_000_000
    with gzip.open(tmp_path / "archive", "wb", 1) as file:
        file.write(header.tobuf(tarfile.USTAR_FORMAT))
        for _ in range(100):
            file.write(bytes(1_000_000))
    tracemalloc.start()
    refused(tmp_path / "archive", tmp_path, "has a header of more than 1048576 bytes")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 10_000_000


@pytest.mark.parametrize("kind", PACKERS)
@pytest.mark.parametrize("share", [0.3, 0.7])
def test_a_damaged_archive_is_named(tmp_path, kind, share):
    content = {f"{n}.bin": os.urandom(30_000) for n in range(4)}
    archive = PACKERS[kind](tmp_path / "archive", content)
    data = archive.read_bytes()
    archive.write_bytes(data[: int(share * len(data))])
    refused(archive, tmp_path, "cannot unpack")


@pytest.mark.parametrize("data", [b"", b"hello", bz2.compress(b"hello"), b"PK\3\4"])
def test_what_is_no_archive_is_named(tmp_path, data):
    (tmp_path / "archive").write_bytes(data)
    refused(tmp_path / "archive", tmp_path, "cannot unpack")


def test_a_folder_in_use_is_left_alone(tmp_path):
    archive = zipped(tmp_path / "archive", FILES)
    (tmp_path / "there").mkdir()
    assert unpack(archive, tmp_path / "there") == 3
    refused(archive, tmp_path, "there exists already; remove it")


def test_what_can_be_downloaded_is_described():
    assert ARCHIVES.keys() == {
        "cue_conflict", "broden", "cifar10", "cifar100", "tiny_imagenet", "caltech256",
        "imagenet_c",
    }  # fmt: skip
    for archives in ARCHIVES.values():
        assert len({one.name for one in archives}) == len(archives)
        for one in archives:
            assert bool(one.checksum) == (one.vouched_by in ("publisher", "others"))
            Expected(one.checksum, one.size)


def test_a_published_set_is_fetched_and_unpacked(server, tmp_path, monkeypatch):
    server.content = tar(tmp_path / "archive", FILES).read_bytes()
    url = server.url.replace("a.bin", "set.tar.gz")
    monkeypatch.setitem(ARCHIVES, "cifar10", (Archive(url), Archive(url.replace("set", "b"))))
    (folder,) = download("cifar10", tmp_path / "here", only="set.tar.gz")
    assert (folder / "a/1.png").read_bytes() == b"one"
    assert folder == tmp_path / "here/set/set"
    assert download("cifar10", tmp_path / "here", only="set.tar.gz") == [folder]
    assert len(server.seen) == 1
    with pytest.raises(ShapebiasError, match="has the md5"):
        download("cifar10", tmp_path / "new", only="b.tar.gz", checksum="md5:" + 32 * "0")
    with pytest.raises(ShapebiasError, match="say by `only` whose checksum"):
        download("cifar10", tmp_path / "new", checksum="md5:" + 32 * "0")
    with pytest.raises(ShapebiasError, match=r"known: b\.tar\.gz, set\.tar\.gz"):
        download("cifar10", tmp_path, only="c.tar.gz")


def test_a_note_says_what_was_brought(server, tmp_path, monkeypatch):
    server.content = tar(tmp_path / "archive", FILES).read_bytes()
    url = server.url.replace("a.bin", "set.tar.gz")
    monkeypatch.setitem(ARCHIVES, "cifar10", (Archive(url),))
    note = tmp_path / "downloads/cifar10/content.json"
    for _ in range(2):
        bring(note, "cifar10", only=None, checksum=None)
        assert (note.parent / "content/a/1.png").read_bytes() == b"one"
    assert json.loads(note.read_text())["content"] == "archives/set/set"
    monkeypatch.setitem(ARCHIVES, "cifar10", (Archive(url), Archive(url.replace("set", "b"))))
    bring(note, "cifar10")
    assert (note.parent / "content/b/set/a/1.png").read_bytes() == b"one"


@pytest.mark.parametrize("name", ["imagenet", "paintings", "stylized_imagenet"])
def test_what_cannot_be_downloaded_is_asked_for(tmp_path, name):
    with pytest.raises(ShapebiasError, match=r"https://.*give its folder as `path`"):
        download(name, tmp_path)
    with pytest.raises(ShapebiasError, match="did you mean 'cifar100'"):
        download("cifar1000", tmp_path)
