"""Which jobs are a killed Snakemake's; the whole is tested on a cluster, in tests/cluster."""

import os
from pathlib import Path

import pytest

from planning.runs.resume import ResumeError, orphaned_jobs, slurm, study_of

RUN = "f8924b18-8bed-4605-b61d-627d6a494df0"
HERE, ELSEWHERE = Path("/data/here"), Path("/data/elsewhere")
MINE, OTHER = Path("/data/here/mine.yaml"), Path("/data/here/other.yaml")
# Id, name, folder and study.
QUEUE = [
    ("1", RUN, HERE, MINE),
    ("2", f"prefix_{RUN}", HERE, MINE),
    ("3", RUN, HERE, OTHER),
    ("4", RUN, ELSEWHERE, MINE),
    ("5", "my-own-job", HERE, MINE),
]


@pytest.fixture
def queue(tmp_path, monkeypatch):
    """`squeue` and `scontrol` that tell of `QUEUE`."""
    lines = "\n".join("|".join(map(str, job[:3])) for job in QUEUE)
    (tmp_path / "squeue").write_text(f"#!/bin/sh\ncat <<'END'\n{lines}\nEND\n")
    cases = "\n".join(
        f"{job}) echo python -m snakemake --configfiles {study} --mode remote;;"
        for job, _, _, study in QUEUE
    )
    # It is called as `scontrol write batch_script <id> -`.
    (tmp_path / "scontrol").write_text(f"#!/bin/sh\ncase $3 in\n{cases}\nesac\n")
    for name in ("squeue", "scontrol"):
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")


@pytest.mark.usefixtures("queue")
def test_only_this_study_in_this_folder_is_cancelled():
    assert orphaned_jobs(HERE, MINE) == ["1", "2"]
    assert orphaned_jobs(HERE, OTHER) == ["3"]
    assert orphaned_jobs(ELSEWHERE, MINE) == ["4"]


def test_the_study_is_found_among_the_arguments(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert study_of(["--profile", "p", "--configfile", "s.yaml"]) == tmp_path / "s.yaml"
    assert study_of(["--configfile=s.yaml", "--jobs", "3"]) == tmp_path / "s.yaml"
    assert study_of(["--jobs", "3"]) is None


def test_without_slurm_it_is_said_what_to_do(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ResumeError, match="no squeue: this machine reaches no Slurm cluster"):
        slurm("squeue")
