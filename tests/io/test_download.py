import hashlib

import pytest

from shapebias.errors import ShapebiasError
from shapebias.io.download import fetch
from tests.helpers.downloads import CONTENT, running_server

SHA256 = "sha256:" + hashlib.sha256(CONTENT).hexdigest()
MD5 = "md5:" + hashlib.md5(CONTENT).hexdigest()


@pytest.fixture
def server():
    with running_server() as server:
        yield server


def get(server, path, **settings):
    fetch(server.url, path, pause=0.001, **settings)
    return path.read_bytes()


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("checksum", [None, SHA256, MD5, SHA256.upper().replace("SHA", "sha")])
def test_a_file_is_downloaded_and_checked(server, tmp_path, checksum):
    path = tmp_path / "deep/a.bin"
    assert get(server, path, checksum=checksum, size=len(CONTENT)) == CONTENT
    assert names_in(path.parent) == ["a.bin"]


def test_an_existing_file_is_checked_and_not_downloaded_again(server, tmp_path):
    path = tmp_path / "a.bin"
    path.write_bytes(CONTENT)
    assert get(server, path, checksum=SHA256) == CONTENT and server.requests == []
    path.write_bytes(CONTENT[:-1])
    for expected in ({"checksum": SHA256}, {"checksum": MD5}, {"size": len(CONTENT)}):
        with pytest.raises(ShapebiasError, match=r"instead of .*; delete it and run again"):
            get(server, path, **expected)
    assert path.exists()


def test_a_broken_connection_is_resumed(server, tmp_path):
    server.cuts = [1_500_000, 10, 2_000_000]
    assert get(server, tmp_path / "a.bin", checksum=SHA256) == CONTENT
    starts = [headers.get("Range") for headers in server.requests]
    assert starts == [None, "bytes=1500000-", "bytes=1500010-", "bytes=3500010-"]
    assert names_in(tmp_path) == ["a.bin"]


@pytest.mark.parametrize("checksum", [None, SHA256])
def test_a_later_run_resumes_the_download(server, tmp_path, checksum):
    server.cuts = [2_000_000, 0, 0]
    with pytest.raises(ShapebiasError, match="run again later to resume") as error:
        get(server, tmp_path / "a.bin", checksum=checksum, attempts=3)
    assert "\n" not in str(error.value) and "broke after 0 of" in str(error.value)
    assert names_in(tmp_path) == ["a.bin.part", "a.bin.part.tag"]
    assert get(server, tmp_path / "a.bin", checksum=checksum) == CONTENT
    assert server.requests[-1]["Range"] == "bytes=2000000-"
    assert server.requests[-1]["If-Range"] == '"one"'


def test_a_file_that_changed_on_the_server_is_downloaded_from_the_start(server, tmp_path):
    server.cuts = [2_000_000]
    with pytest.raises(ShapebiasError):
        get(server, tmp_path / "a.bin", attempts=1)
    server.etag, server.content = '"two"', CONTENT[::-1]
    assert get(server, tmp_path / "a.bin") == CONTENT[::-1]


def test_without_tag_and_checksum_nothing_is_resumed(server, tmp_path):
    server.etag = None
    server.cuts = [2_000_000]
    with pytest.raises(ShapebiasError):
        get(server, tmp_path / "a.bin", attempts=1)
    server.content = CONTENT[::-1]
    assert get(server, tmp_path / "a.bin") == CONTENT[::-1]
    assert "Range" not in server.requests[-1]


def test_a_server_without_ranges_sends_the_whole_file_again(server, tmp_path):
    server.ranges = False
    server.cuts = [2_000_000]
    assert get(server, tmp_path / "a.bin", checksum=SHA256) == CONTENT


def test_a_partial_file_that_is_complete_is_used(server, tmp_path):
    (tmp_path / "a.bin.part").write_bytes(CONTENT)
    assert get(server, tmp_path / "a.bin", checksum=SHA256) == CONTENT
    assert len(server.requests) == 1


def test_a_partial_file_longer_than_the_file_is_replaced(server, tmp_path):
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
def test_a_file_that_differs_from_what_was_expected_is_deleted(server, tmp_path, expected, what):
    with pytest.raises(ShapebiasError, match=f"has the {what} .* instead of") as error:
        get(server, tmp_path / "a.bin", **expected)
    assert server.url in str(error.value) and "\n" not in str(error.value)
    assert names_in(tmp_path) == []


def test_a_short_answer_without_length_is_detected_by_the_checksum(server, tmp_path):
    server.short, server.cuts = True, [1000]
    with pytest.raises(ShapebiasError, match="has the sha256"):
        get(server, tmp_path / "a.bin", checksum=SHA256)


def test_temporary_errors_of_the_server_are_retried(server, tmp_path):
    server.statuses = [503, 429, 200]
    assert get(server, tmp_path / "a.bin") == CONTENT
    assert len(server.requests) == 3


def test_permanent_errors_of_the_server_are_not_retried(server, tmp_path):
    server.statuses = [404, 404]
    with pytest.raises(ShapebiasError, match="the server answers 404 Not Found"):
        get(server, tmp_path / "a.bin")
    assert len(server.requests) == 1 and names_in(tmp_path) == []


def test_an_unreachable_server_is_one_line(tmp_path, server):
    server.shutdown()
    server.server_close()
    with pytest.raises(ShapebiasError, match=r"cannot download .*refused") as error:
        get(server, tmp_path / "a.bin", attempts=2)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://a/b", "/etc/passwd"])
def test_only_http_addresses_are_accepted(tmp_path, url):
    with pytest.raises(ShapebiasError, match="begins with neither"):
        fetch(url, tmp_path / "a")


@pytest.mark.parametrize("checksum", ["sha1:" + 40 * "0", "md5:12", "x"])
def test_an_invalid_checksum_is_an_error_before_the_download(server, tmp_path, checksum):
    with pytest.raises(ShapebiasError, match="is neither md5"):
        get(server, tmp_path / "a.bin", checksum=checksum)
    assert server.requests == []
