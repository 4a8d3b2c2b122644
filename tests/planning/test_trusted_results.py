"""What of the results is trusted: records of content, of the engine, and of packages."""

import os
import shutil
from pathlib import Path

import pytest
from snakemake.persistence.file import FilePersistence

from planning.fingerprints import package_versions
from planning.fingerprints.files import Digests
from planning.runs import trusted_results
from shapebias.io.atomic import atomic_write
from shapebias.io.checksums import checksum_path, recorded_checksum, sha256_of
from shapebias.io.provenance import provenance
from shapebias.runtime.job import job

CODE = {"study": "tiny", "seed": 1, "fingerprint": "abc"}
OUTPUT = "results/tiny/tables/a b.csv"


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    """A checkout with one output, as a job wrote it, whose digests nobody knows yet."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(trusted_results, "DIGESTS", Digests())
    with provenance(CODE, []), atomic_write(OUTPUT) as temporary:
        temporary.write_text("1\n")
    return tmp_path


def changed_by_hand(text, *, older=False):
    before = Path(OUTPUT).stat()
    Path(OUTPUT).write_text(text)
    if older:
        os.utime(OUTPUT, ns=(before.st_atime_ns, before.st_mtime_ns - 10**12))


def test_what_a_job_writes_is_recorded_as_sha256sum_does(place):
    assert recorded_checksum(OUTPUT) == sha256_of(OUTPUT)
    record = checksum_path(OUTPUT)
    assert record.read_text() == f"{sha256_of(OUTPUT)}  {OUTPUT}\n"
    if shutil.which("sha256sum"):
        assert os.system(f"sha256sum --status --check '{record}'") == 0


@pytest.mark.parametrize("path", ["downloads/x/content.json", "results/tiny", "/data/w.pth"])
def test_what_is_no_result_is_not_recorded(path):
    assert checksum_path(path) is None
    assert recorded_checksum(path) is None


def test_what_nobody_calls_a_result_is_not_recorded():
    with provenance(CODE, []), atomic_write("results/tiny/state.pt", result=False) as temporary:
        temporary.write_text("half a training")
    assert not checksum_path("results/tiny/state.pt").exists()


@pytest.mark.parametrize("text", ["", "1", "2\n"], ids=["emptied", "truncated", "overwritten"])
def test_nothing_is_computed_from_a_damaged_file(text, capfd):
    changed_by_hand(text, older=True)
    with pytest.raises(SystemExit) as caught, job("log", CODE, [OUTPUT], threads=1):
        raise AssertionError("it must not come so far")
    assert caught.value.code == 1
    assert capfd.readouterr().err == (
        f"error: {OUTPUT}: checksum differs from the recorded one (damaged or edited); "
        "run again to recreate it\n"
    )


@pytest.mark.parametrize("older", [False, True])
def test_a_damaged_file_is_marked_to_be_made_anew(older):
    assert trusted_results.verify_results("tiny") == []
    changed_by_hand("2\n", older=older)
    (said,) = trusted_results.verify_results("tiny")
    assert said.startswith(f"{OUTPUT} is not what its job wrote")
    # It is told of until it is made anew or put back.
    assert trusted_results.verify_results("tiny") == [said]
    engine = FilePersistence(nolock=True)
    assert trusted_results.is_incomplete(OUTPUT, engine)
    # Put back, it is trusted again.
    changed_by_hand("1\n")
    assert trusted_results.verify_results("tiny") == []
    assert not trusted_results.is_incomplete(OUTPUT, engine)


def test_what_a_killed_job_left_is_not_trusted_because_it_looks_whole():
    engine = FilePersistence(nolock=True)
    engine._mark_incomplete(OUTPUT, None)
    assert trusted_results.verify_results("tiny") == []
    assert trusted_results.is_incomplete(OUTPUT, engine)


def test_a_file_is_read_again_only_where_it_may_have_changed(monkeypatch):
    read = []
    monkeypatch.setattr(
        "planning.fingerprints.files.sha256_of", lambda path: read.append(path) or "digest"
    )
    digests = Digests()
    for _ in range(2):
        digests.of(OUTPUT)
    digests.save()
    Digests().of(OUTPUT)
    assert len(read) == 1
    # Another content of the same length, under the time of the one before.
    before = Path(OUTPUT).stat()
    changed_by_hand("2\n")
    os.utime(OUTPUT, ns=(before.st_atime_ns, before.st_mtime_ns))
    Digests().of(OUTPUT)
    assert len(read) == 2


def test_damaged_digests_are_begun_anew():
    digests = Digests()
    digests.of(OUTPUT)
    digests.save()
    os.truncate(".snakemake/digests.json", 7)
    assert Digests().of(OUTPUT) == sha256_of(OUTPUT)


def test_other_packages_are_told_of_until_they_are_taken_on(monkeypatch):
    assert package_versions.version_changes("tiny") == []
    package_versions.record_versions("tiny")
    before = package_versions.installed()
    monkeypatch.setattr(package_versions, "installed", lambda: before | {"torch": "99.0"})
    (said,) = package_versions.version_changes("tiny")
    assert f"torch {before['torch']} -> 99.0" in said and "make renew" in said
    package_versions.record_versions("tiny")
    assert package_versions.recorded_versions("tiny") == before
    package_versions.record_versions("tiny", anew=True)
    assert package_versions.recorded_versions("tiny")["torch"] == "99.0"
    assert package_versions.version_changes("tiny") == []


def test_a_damaged_note_of_packages_is_that_of_now():
    package_versions.record_versions("tiny")
    os.truncate("results/tiny/records/packages.json", 7)
    assert package_versions.recorded_versions("tiny") == package_versions.installed()


def test_a_folder_that_takes_no_files_is_named_before_anything_runs(monkeypatch):
    assert trusted_results.unwritable_folder("tiny") == ""
    refused = {"results/tiny/tables"}
    monkeypatch.setattr(trusted_results.os, "access", lambda path, mode: str(path) not in refused)
    assert trusted_results.unwritable_folder("tiny") == "results/tiny/tables"
    assert trusted_results.unwritable_folder("another") == ""
    refused.add(str(Path("results").absolute()))
    assert trusted_results.unwritable_folder("another") == str(Path("results").absolute())
