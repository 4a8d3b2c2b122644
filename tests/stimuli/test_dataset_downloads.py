import json

import pytest

from shapebias.errors import ShapebiasError
from shapebias.io.download import Expected
from shapebias.stimuli.dataset_downloads import ARCHIVES, Archive, download, download_with_note
from tests.helpers.downloads import FILES, running_server, tar


@pytest.fixture
def server():
    with running_server() as server:
        yield server


def test_what_can_be_downloaded_is_described():
    assert ARCHIVES.keys() == {
        "cue_conflict", "broden", "cifar10", "cifar100", "tiny_imagenet", "caltech256",
        "imagenet_c",
    }  # fmt: skip
    for archives in ARCHIVES.values():
        assert len({one.name for one in archives}) == len(archives)
        for one in archives:
            assert bool(one.checksum) == (one.checksum_source in ("publisher", "others"))
            Expected(one.checksum, one.size)


def test_a_published_set_is_fetched_and_unpacked(server, tmp_path, monkeypatch):
    server.content = tar(tmp_path / "archive", FILES).read_bytes()
    url = server.url.replace("a.bin", "set.tar.gz")
    monkeypatch.setitem(ARCHIVES, "cifar10", (Archive(url), Archive(url.replace("set", "b"))))
    (folder,) = download("cifar10", tmp_path / "here", only="set.tar.gz")
    assert (folder / "a/1.png").read_bytes() == b"one"
    assert folder == tmp_path / "here/set/set"
    assert download("cifar10", tmp_path / "here", only="set.tar.gz") == [folder]
    assert len(server.requests) == 1
    with pytest.raises(ShapebiasError, match="has the md5"):
        download("cifar10", tmp_path / "new", only="b.tar.gz", checksum="md5:" + 32 * "0")
    with pytest.raises(ShapebiasError, match="name by `only` the one with this checksum"):
        download("cifar10", tmp_path / "new", checksum="md5:" + 32 * "0")
    with pytest.raises(ShapebiasError, match=r"known: b\.tar\.gz, set\.tar\.gz"):
        download("cifar10", tmp_path, only="c.tar.gz")


def test_a_note_says_what_was_brought(server, tmp_path, monkeypatch):
    server.content = tar(tmp_path / "archive", FILES).read_bytes()
    url = server.url.replace("a.bin", "set.tar.gz")
    monkeypatch.setitem(ARCHIVES, "cifar10", (Archive(url),))
    note = tmp_path / "downloads/cifar10/content.json"
    for _ in range(2):
        download_with_note(note, "cifar10", only=None, checksum=None)
        assert (note.parent / "content/a/1.png").read_bytes() == b"one"
    assert json.loads(note.read_text())["content"] == "archives/set/set"
    monkeypatch.setitem(ARCHIVES, "cifar10", (Archive(url), Archive(url.replace("set", "b"))))
    download_with_note(note, "cifar10")
    assert (note.parent / "content/b/set/a/1.png").read_bytes() == b"one"


@pytest.mark.parametrize("name", ["imagenet", "paintings", "stylized_imagenet"])
def test_what_cannot_be_downloaded_is_asked_for(tmp_path, name):
    with pytest.raises(ShapebiasError, match=r"https://.*give its folder as `path`"):
        download(name, tmp_path)
    with pytest.raises(ShapebiasError, match="did you mean 'cifar100'"):
        download("cifar1000", tmp_path)
