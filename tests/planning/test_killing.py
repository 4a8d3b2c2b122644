"""A run that is killed and restarted completes with the files of an undisturbed one."""

import random

import pytest

from tests.conftest import Workflow
from tests.faults.killing import VICTIMS, DisturbedStudy, differing_files, result_files

pytestmark = pytest.mark.xdist_group("workflow")


def test_a_killed_run_completes_with_the_files_of_an_undisturbed_one(tiny, tmp_path, monkeypatch):
    workflow = Workflow(tmp_path)
    target = "results/tiny/predictions/alexnet/validation.parquet"
    study = DisturbedStudy(workflow, random.Random(0), (target,))
    expected = result_files(tiny)
    for victim in VICTIMS:
        # Six seconds are enough for jobs to be running.
        monkeypatch.setattr(
            study.rng, "choice", lambda options, victim=victim: choose(options, victim)
        )
        completed, outcome = study.run(6.0)
        assert completed or outcome.startswith("killed")
        assert differing_files(result_files(workflow), expected) == []
    completed, outcome = study.run(None)
    assert completed, outcome
    assert differing_files(result_files(workflow), expected) == []
    assert (tmp_path / target).read_bytes() == (tiny.folder / target).read_bytes()


def choose(options, victim):
    """Return the victim if it is an option, else the first option."""
    return victim if victim in options else options[0]
