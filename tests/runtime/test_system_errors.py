"""Errors of the system: one clear line, no partial file, and a re-run that succeeds."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from shapebias.errors import ShapebiasError
from shapebias.io.image_codec import encode_png
from shapebias.io.image_sets import ResizeCrop, read_rows, write_images
from shapebias.io.tables import read_table, write_table
from shapebias.runtime.job import job
from shapebias.runtime.system_errors import explain
from tests.conftest import ROOT

CODE = {"study": "tiny", "seed": 1, "fingerprint": "abc"}


@pytest.fixture
def small_disk(tmp_path):
    """A disk of a quarter of a mebibyte."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(folder)]
    if os.getuid() != 0 or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("a small disk cannot be mounted here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def images(count):
    rng = np.random.default_rng(0)
    for number in range(count):
        pixels = rng.integers(0, 256, (64, 64, 3), dtype=np.uint8)
        yield {"image_id": str(number), "image": encode_png(pixels)}


def test_a_full_disk_is_one_line_and_a_run_with_more_space_succeeds(small_disk, tmp_path, capfd):
    path = small_disk / "part-0.parquet"
    with pytest.raises(SystemExit) as caught, job(tmp_path / "log", CODE, [], threads=1):
        write_images(images(100), path, sizing=ResizeCrop())
    assert caught.value.code == 1
    (line,) = capfd.readouterr().err.splitlines()
    assert line.startswith("error: ") and "No space left on device" in line
    assert "free some space" in line and "then run again" in line
    assert list(small_disk.iterdir()) == []
    with job(tmp_path / "log", CODE, [], threads=1):
        write_images(images(3), path, sizing=ResizeCrop())
    assert len(list(read_rows([path]))) == 3


def test_a_log_that_does_not_fit_does_not_stop_the_job(tmp_path):
    log = tmp_path / "log"
    log.symlink_to("/dev/full")
    with job(log, CODE, [], threads=1):
        (tmp_path / "result").write_text("complete")
    assert (tmp_path / "result").read_text() == "complete"


@pytest.mark.parametrize("place", ["/sys/shapebias/log", "a file/log"])
def test_an_unwritable_folder_is_named(tmp_path, monkeypatch, capfd, place):
    monkeypatch.chdir(tmp_path)
    Path("a file").touch()
    with pytest.raises(SystemExit), job(place, CODE, [], threads=1):
        raise AssertionError("the job must not start")
    (line,) = capfd.readouterr().err.splitlines()
    assert line.startswith(f"error: {Path(place).parent}")
    assert "then run again" in line


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "x.parquet"), "x.parquet: No space"),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), "your quota"),
        (RuntimeError("I/O error: No space left on device (os error 28)"), "free some space"),
        (PermissionError(errno.EACCES, "Permission denied", "results"), "results: Permission"),
        (OSError(errno.EROFS, "Read-only file system", "results"), "writable"),
        (MemoryError(), "run fewer jobs at a time"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"), "reduce `batch`"),
    ],
)
def test_system_errors_are_one_line_with_advice(error, message):
    line = explain(error)
    assert message in line and "\n" not in line


@pytest.mark.parametrize("error", [ValueError("x"), RuntimeError("shapes"), KeyError("y")])
def test_other_errors_are_not_explained(error):
    assert explain(error) is None


def test_a_file_larger_than_the_limit_is_one_line(tmp_path):
    code = """
import os, resource, signal, sys
from pathlib import Path
from shapebias.io.atomic import atomic_write
from shapebias.runtime.job import job
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
with job("log", {"study": "x"}, [], threads=1), atomic_write("out") as temporary:
    temporary.write_bytes(bytes(10**5))
"""
    completed = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert completed.returncode == 1
    assert "File too large; raise the limit on the size of a file" in completed.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["log"]


@pytest.mark.parametrize("damage", ["cut", "zeros at its end", "zeros inside", "emptied"])
def test_a_damaged_part_is_named(tmp_path, damage):
    path = tmp_path / "part-0.parquet"
    write_images(images(40), path, sizing=ResizeCrop())
    data = path.read_bytes()
    half = len(data) // 2
    path.write_bytes(
        {
            "cut": data[:half],
            "zeros at its end": data[:-200] + bytes(200),
            "zeros inside": data[:4] + bytes(half) + data[4 + half :],
            "emptied": b"",
        }[damage]
    )
    with pytest.raises(ShapebiasError) as error:
        list(read_rows([path]))
    assert str(path) in str(error.value) and "\n" not in str(error.value)
    assert "run again" in str(error.value)


def test_a_damaged_table_is_named(tmp_path):
    path = tmp_path / "correctly_labelled.parquet"
    frame = pd.DataFrame({"pair": ["a"], "image_id": ["b"]})
    write_table(frame, path, schema="correctly_labelled")
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(ShapebiasError, match="delete it and run again"):
        read_table(path)
