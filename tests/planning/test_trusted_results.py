"""Which results are trusted: checksums of content, keys of runs, versions of packages."""

import os
import shutil
from pathlib import Path

import pytest

from planning.fingerprints import files, package_versions
from planning.runs import trusted_results
from shapebias.io.atomic import atomic_write
from shapebias.io.checksums import checksum_path, recorded_checksum, sha256_of
from shapebias.io.provenance import provenance
from shapebias.runtime.job import job

CODE = {"study": "tiny", "seed": 1, "fingerprint": "abc"}
OUTPUT = "results/tiny/tables/a b.csv"


@pytest.fixture(autouse=True)
def project(tmp_path, monkeypatch):
    """A project folder with one output, as a job wrote it."""
    monkeypatch.chdir(tmp_path)
    with provenance(CODE, []), atomic_write(OUTPUT) as temporary:
        temporary.write_text("1\n")
    return tmp_path


def edit(text, *, older=False):
    before = Path(OUTPUT).stat()
    Path(OUTPUT).write_text(text)
    if older:
        os.utime(OUTPUT, ns=(before.st_atime_ns, before.st_mtime_ns - 10**12))


def test_checksums_are_recorded_in_the_format_of_sha256sum():
    assert recorded_checksum(OUTPUT) == sha256_of(OUTPUT)
    record = checksum_path(OUTPUT)
    assert record.read_text() == f"{sha256_of(OUTPUT)}  {OUTPUT}\n"
    if shutil.which("sha256sum"):
        assert os.system(f"sha256sum --status --check '{record}'") == 0


@pytest.mark.parametrize("path", ["downloads/x/content.json", "results/tiny", "/data/w.pth"])
def test_files_outside_results_have_no_checksum(path):
    assert checksum_path(path) is None
    assert recorded_checksum(path) is None


def test_files_written_as_no_result_have_no_checksum():
    with provenance(CODE, []), atomic_write("results/tiny/state.pt", result=False) as temporary:
        temporary.write_text("half a training")
    assert not checksum_path("results/tiny/state.pt").exists()


@pytest.mark.parametrize("text", ["", "1", "2\n"], ids=["emptied", "truncated", "overwritten"])
def test_no_job_reads_a_damaged_file(text, capfd):
    edit(text, older=True)
    with pytest.raises(SystemExit) as caught, job("log", CODE, [OUTPUT], threads=1):
        raise AssertionError("the job ran")
    assert caught.value.code == 1
    assert capfd.readouterr().err == (
        f"error: {OUTPUT}: checksum differs from the recorded one (damaged or edited); "
        "delete it and run again\n"
    )


def test_a_file_is_read_again_only_if_it_may_have_changed(monkeypatch):
    reads = []
    monkeypatch.setattr(files, "sha256_of", lambda path: reads.append(path) or "digest")
    for _ in range(2):
        assert files.file_digest(OUTPUT) == "digest"
    assert len(reads) == 1
    # Other content of the same length with the same modification time.
    before = Path(OUTPUT).stat()
    edit("2\n")
    os.utime(OUTPUT, ns=(before.st_atime_ns, before.st_mtime_ns))
    files.file_digest(OUTPUT)
    assert len(reads) == 2


def test_a_damaged_file_of_digests_is_replaced():
    files.file_digest(OUTPUT)
    os.truncate(files.DIGESTS_FILE, 7)
    assert files.file_digest(OUTPUT) == sha256_of(OUTPUT)


def test_results_without_the_engine_s_folder_are_recognised():
    assert trusted_results.replaced_results("tiny") == []
    trusted_results.record_run("tiny")
    assert trusted_results.replaced_results("tiny") == []
    shutil.copytree("results/tiny", "backup")
    trusted_results.record_run("tiny")
    # The results of an earlier run are put back.
    shutil.rmtree("results/tiny")
    shutil.copytree("backup", "results/tiny")
    (warning,) = trusted_results.replaced_results("tiny")
    assert warning.startswith("results/tiny was copied or put back without its `.snakemake`")
    # A run does not end the warning; deleting the key does.
    trusted_results.record_run("tiny")
    assert trusted_results.replaced_results("tiny") == [warning]
    Path("results/tiny/records/run.txt").unlink()
    assert trusted_results.replaced_results("tiny") == []
    trusted_results.record_run("tiny")
    # A copy without `.snakemake`.
    shutil.rmtree(".snakemake")
    assert trusted_results.replaced_results("tiny") == [warning]


def test_changed_versions_are_reported_until_they_are_renewed(monkeypatch):
    assert package_versions.version_changes("tiny") == []
    package_versions.record_versions("tiny")
    before = package_versions.installed_versions()
    after = before | {"torch": "99.0"}
    monkeypatch.setattr(package_versions, "installed_versions", lambda: after)
    (warning,) = package_versions.version_changes("tiny")
    assert f"torch {before['torch']} -> 99.0" in warning and "make renew" in warning
    package_versions.record_versions("tiny")
    assert package_versions.recorded_versions("tiny") == before
    package_versions.record_versions("tiny", renew=True)
    assert package_versions.recorded_versions("tiny")["torch"] == "99.0"
    assert package_versions.version_changes("tiny") == []


def test_a_damaged_record_of_versions_counts_as_none():
    package_versions.record_versions("tiny")
    os.truncate("results/tiny/records/packages.json", 7)
    assert package_versions.recorded_versions("tiny") == package_versions.installed_versions()


def test_a_read_only_folder_is_named_before_a_run(monkeypatch):
    assert trusted_results.unwritable_folder("tiny") == ""
    read_only = {"results/tiny/tables"}
    access = lambda path, mode: str(path) not in read_only  # noqa: E731
    monkeypatch.setattr(trusted_results.os, "access", access)
    assert trusted_results.unwritable_folder("tiny") == "results/tiny/tables"
    assert trusted_results.unwritable_folder("another") == ""
    read_only.add(str(Path("results").absolute()))
    assert trusted_results.unwritable_folder("another") == str(Path("results").absolute())
