"""A run that is killed in each way and gone on with ends as one that nothing disturbed."""

import random

import pytest

from tests.conftest import Workflow
from tests.faults.killing import KINDS, Disturbed, made, other_than

pytestmark = pytest.mark.xdist_group("workflow")


def test_a_killed_run_ends_as_an_undisturbed_one(tiny, tmp_path, monkeypatch):
    workflow = Workflow(tmp_path)
    target = "results/tiny/predictions/alexnet/validation.parquet"
    disturbed = Disturbed(workflow, random.Random(0), (target,))
    expected = made(tiny)
    for kind in KINDS:
        # Each way once: the wait is long enough for jobs to be at work.
        monkeypatch.setattr(disturbed.rng, "choice", lambda some, kind=kind: chosen(some, kind))
        finished, what = disturbed.run(6.0)
        assert finished or what.startswith("killed")
        assert other_than(made(workflow), expected) == []
    finished, what = disturbed.run(None)
    assert finished, what
    assert other_than(made(workflow), expected) == []
    assert (tmp_path / target).read_bytes() == (tiny.folder / target).read_bytes()


def chosen(some, kind):
    """The kind where it can be had, else the first."""
    return kind if kind in some else some[0]
