"""The summary of failed jobs at the end of a run."""

import pytest

from planning.runs.failures import failed_jobs, failure_summary

LOG = """
[Sat Nov 21 10:15:29 2026]
localrule train_network:
    output: results/x/models/a/weights.safetensors
    log: results/x/logs/train_network/a.log
    jobid: 2
RuleException:
CalledProcessError in file "models.smk", line 12:
[Sat Nov 21 10:15:29 2026]
Error in rule train_network:
    message: None
    jobid: {job}
    output: results/x/models/a/weights.safetensors
    log: {log} (check log file(s) for error details)
Logfile {log}:
=====================
error: bad
=====================
"""


def test_a_failed_job_is_shown_with_path_and_end_of_its_log(tmp_path):
    log, engine = tmp_path / "a.log", tmp_path / "engine.log"
    lines = [f"line {number}" for number in range(20)]
    log.write_text("\n".join([*lines, "error: no space left", "took 1.0 s, peak 9 MiB"]))
    engine.write_text(LOG.format(job=2, log=log))
    summary = failure_summary([engine]).splitlines()
    assert summary[1:4] == ["1 job failed:", "", f"train_network, see {log}"]
    assert summary[-2:] == ["    error: no space left", "    took 1.0 s, peak 9 MiB"]
    assert len(summary) < 12


def test_an_attempt_that_succeeded_later_is_left_out():
    finished = LOG.format(job=2, log="a.log") + "Finished jobid: 2 (Rule: train)\n"
    assert failed_jobs(finished) == []
    twice = LOG.format(job=2, log="a.log") + LOG.format(job=2, log="a.log")
    assert failed_jobs(twice) == [("train_network", ["a.log"])]


@pytest.mark.parametrize("logs", ["a.log, b.log", "a.log"])
def test_every_log_of_a_job_is_named(logs):
    assert failed_jobs(LOG.format(job=3, log=logs)) == [("train_network", logs.split(", "))]


def test_a_missing_log_is_reported(tmp_path):
    (tmp_path / "engine.log").write_text(LOG.format(job=2, log=tmp_path / "none.log"))
    assert "(cannot be read: No such file or directory)" in failure_summary(
        [tmp_path / "engine.log"]
    )
