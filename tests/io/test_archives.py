import bz2
import gzip
import os
import shutil
import stat
import tarfile
import tracemalloc
import zipfile

import pytest

from shapebias.errors import ShapebiasError
from shapebias.io.archives import unpack
from tests.helpers.downloads import FILES, PACKERS, tar, zipped


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("kind", PACKERS)
def test_archives_are_unpacked(tmp_path, kind):
    # The format is determined by the content, as the name has no suffix.
    archive = PACKERS[kind](tmp_path / "archive", FILES)
    assert unpack(archive, tmp_path / "there") == 3
    contents = {
        path.relative_to(tmp_path / "there").as_posix(): path.read_bytes()
        for path in (tmp_path / "there").rglob("*")
        if path.is_file()
    }
    assert contents == FILES
    # The archive's permissions (here: set-user-ID, executable) are not applied.
    mode = (tmp_path / "there/set/a/1.png").stat().st_mode
    assert not mode & (stat.S_ISUID | stat.S_IXUSR)
    assert names_in(tmp_path) == ["archive", "there"]


def assert_refused(archive, tmp_path, match):
    before = names_in(tmp_path)
    with pytest.raises(ShapebiasError, match=match) as error:
        unpack(archive, tmp_path / "there")
    assert "\n" not in str(error.value)
    assert names_in(tmp_path) == before


@pytest.mark.parametrize("kind", PACKERS)
@pytest.mark.parametrize("name", ["../out.png", "a/../../out.png", "/out.png", "a\\..\\out.png"])
def test_a_name_that_leads_out_is_refused(tmp_path, kind, name):
    inner = tmp_path / "inner"
    inner.mkdir()
    assert_refused(PACKERS[kind](inner / "archive", {**FILES, name: b"x"}), inner, "leads out of")
    assert names_in(tmp_path) == ["inner"]


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
    assert_refused(archive, tmp_path, f"contains the {what} 'odd'")


def test_a_link_in_a_zip_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "archive", "w") as archive:
        info = zipfile.ZipInfo("odd")
        info.external_attr = 0o120777 << 16
        archive.writestr(info, "/etc")
        archive.writestr("odd/passwd", "x")
    assert_refused(tmp_path / "archive", tmp_path, "contains the link 'odd'")


@pytest.mark.parametrize("kind", ["zip", "tar.gz", "tar.xz", "tar.bz2"])
def test_a_bomb_is_refused_before_it_is_unpacked(tmp_path, kind, monkeypatch):
    archive = PACKERS[kind](tmp_path / "archive", {"a": bytes(60_000_000)})
    assert archive.stat().st_size < 100_000
    sizes = []
    remove = shutil.rmtree

    def remove_and_measure(folder, **settings):
        sizes.append(sum(path.stat().st_size for path in folder.rglob("*")))
        remove(folder, **settings)

    monkeypatch.setattr(shutil, "rmtree", remove_and_measure)
    assert_refused(archive, tmp_path, "unpacks to more than 100 times its size")
    assert sizes[0] < 20_000_000


def test_many_small_files_are_also_a_bomb(tmp_path):
    files = {f"{number}": bytes(1_000_000) for number in range(30)}
    assert_refused(zipped(tmp_path / "archive", files), tmp_path, "unpacks to more than")


def test_a_zip_that_states_a_wrong_size_is_refused(tmp_path):
    archive = zipped(tmp_path / "archive", {"a": bytes(60_000_000)})
    data = archive.read_bytes().replace((60_000_000).to_bytes(4, "little"), b"\1\0\0\0")
    archive.write_bytes(data)
    assert_refused(archive, tmp_path, r"unpacks to more than|cannot unpack")


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("packer", [zipped, tar])
def test_a_duplicate_name_is_refused(tmp_path, packer):
    path = tmp_path / "archive"
    if packer is zipped:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("a", "one")
            archive.writestr("a", "two")
    else:
        packer(path, {"a": b"one", "./a": b"two"})
    assert_refused(path, tmp_path, "a' twice, or as a file and a folder; do not use it")


@pytest.mark.parametrize("packer", [zipped, tar])
def test_an_archive_without_files_is_refused(tmp_path, packer):
    assert_refused(
        packer(tmp_path / "archive", {}), tmp_path, "contains no file; download it again"
    )


@pytest.mark.parametrize("packer", [zipped, tar])
@pytest.mark.parametrize("names", [("a", "a/b"), ("a/b", "a"), ("a", "a/")])
def test_a_name_of_a_file_and_a_folder_is_refused(tmp_path, packer, names):
    archive = packer(tmp_path / "archive", dict.fromkeys(names, b"x"))
    assert_refused(archive, tmp_path, "twice, or as a file and a folder")


@pytest.mark.parametrize("packer", [zipped, tar])
@pytest.mark.parametrize("name", ["a" * 300, "é" * 200, "a/" * 3000 + "b"])
def test_a_name_that_is_too_long_is_refused(tmp_path, packer, name):
    archive = packer(tmp_path / "archive", {name: b"x"})
    assert_refused(archive, tmp_path, r"archive contains the name '.{100}…', which is too long")


@pytest.mark.parametrize("kind", PACKERS)
def test_folders_count_as_entries(tmp_path, monkeypatch, kind):
    monkeypatch.setattr("shapebias.io.archives.MAX_ENTRIES", 20)
    assert unpack(PACKERS[kind](tmp_path / "ok", FILES), tmp_path / "all") == len(FILES)
    archive = tmp_path / "archive"
    if kind == "zip":
        zipped(archive, {f"{number}/": b"" for number in range(21)})
    else:
        folders = {f"{number}": (tarfile.DIRTYPE, "") for number in range(21)}
        tar(archive, {}, "w:" + kind[4:], **folders)
    assert_refused(archive, tmp_path, "contains more than 20 entries")


@pytest.mark.parametrize("kind", [b"x", b"g", b"L", b"K"])
def test_a_header_that_would_fill_the_memory_is_refused(tmp_path, kind):
    header = tarfile.TarInfo("a")
    header.type, header.size = kind, 100_000_000
    with gzip.open(tmp_path / "archive", "wb", 1) as file:
        file.write(header.tobuf(tarfile.USTAR_FORMAT))
        for _ in range(100):
            file.write(bytes(1_000_000))
    tracemalloc.start()
    assert_refused(tmp_path / "archive", tmp_path, "has a header of more than 1048576 bytes")
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
    assert_refused(archive, tmp_path, "cannot unpack")


@pytest.mark.parametrize("data", [b"", b"hello", bz2.compress(b"hello"), b"PK\3\4"])
def test_a_file_that_is_not_an_archive_is_named(tmp_path, data):
    (tmp_path / "archive").write_bytes(data)
    assert_refused(tmp_path / "archive", tmp_path, "cannot unpack")


def test_a_folder_with_files_is_not_replaced(tmp_path):
    archive = zipped(tmp_path / "archive", FILES)
    (tmp_path / "there").mkdir()
    assert unpack(archive, tmp_path / "there") == 3
    assert_refused(archive, tmp_path, "there exists already; remove it")
