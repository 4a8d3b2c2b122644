"""Which jobs a killed Snakemake left behind; resuming itself is tested in tests/cluster."""

import os
from pathlib import Path

import pytest

from planning.runs.resume import ResumeError, orphaned_jobs, slurm, study_of

RUN = "f8924b18-8bed-4605-b61d-627d6a494df0"
HERE, ELSEWHERE = Path("/data/here"), Path("/data/elsewhere")
STUDY, OTHER = Path("/data/here/study.yaml"), Path("/data/here/other.yaml")
# Id, name, folder and study.
QUEUE = [
    ("1", RUN, HERE, STUDY),
    ("2", f"prefix_{RUN}", HERE, STUDY),
    ("3", RUN, HERE, OTHER),
    ("4", RUN, ELSEWHERE, STUDY),
    ("5", "another-job", HERE, STUDY),
]


@pytest.fixture
def queue(tmp_path, monkeypatch):
    """Commands `squeue` and `scontrol` that report the jobs of `QUEUE`."""
    lines = "\n".join("|".join(map(str, job[:3])) for job in QUEUE)
    (tmp_path / "squeue").write_text(f"#!/bin/sh\ncat <<'END'\n{lines}\nEND\n")
    cases = "\n".join(
        f"{job}) echo python -m snakemake --configfiles {study} --mode remote;;"
        for job, _, _, study in QUEUE
    )
    # Called as `scontrol write batch_script <id> -`.
    (tmp_path / "scontrol").write_text(f"#!/bin/sh\ncase $3 in\n{cases}\nesac\n")
    for name in ("squeue", "scontrol"):
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")


@pytest.mark.usefixtures("queue")
def test_only_jobs_of_this_study_and_folder_are_orphaned():
    assert orphaned_jobs(HERE, STUDY) == ["1", "2"]
    assert orphaned_jobs(HERE, OTHER) == ["3"]
    assert orphaned_jobs(ELSEWHERE, STUDY) == ["4"]


def test_the_study_is_read_from_the_arguments(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert study_of(["--profile", "p", "--configfile", "s.yaml"]) == tmp_path / "s.yaml"
    assert study_of(["--configfile=s.yaml", "--jobs", "3"]) == tmp_path / "s.yaml"
    assert study_of(["--jobs", "3"]) is None


def test_the_error_without_slurm_says_what_to_do(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ResumeError, match="no squeue: this machine is not part of a Slurm cluster"):
        slurm("squeue")
