"""What failed in a run, as it is told at its end."""

import pytest

from planning.runs.failures import failure_summary, failures

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


def test_the_last_lines_of_a_failed_jobs_log_are_shown_with_its_path(tmp_path):
    log, engine = tmp_path / "a.log", tmp_path / "engine.log"
    lines = [f"line {number}" for number in range(20)]
    log.write_text("\n".join([*lines, "error: no space left", "took 1.0 s, peak 9 MiB"]))
    engine.write_text(LOG.format(job=2, log=log))
    said = failure_summary([engine]).splitlines()
    assert said[1:4] == ["1 job failed:", "", f"train_network, see {log}"]
    assert said[-2:] == ["    error: no space left", "    took 1.0 s, peak 9 MiB"]
    assert len(said) < 12


def test_an_attempt_that_succeeded_later_is_not_told():
    assert failures(LOG.format(job=2, log="a.log") + "Finished jobid: 2 (Rule: train)\n") == []
    later = LOG.format(job=2, log="a.log") + LOG.format(job=2, log="a.log")
    assert failures(later) == [("train_network", ["a.log"])]


@pytest.mark.parametrize("logs", ["a.log, b.log", "a.log"])
def test_every_log_of_a_job_is_named(logs):
    assert failures(LOG.format(job=3, log=logs)) == [("train_network", logs.split(", "))]


def test_a_log_that_was_never_written_is_said_so(tmp_path):
    (tmp_path / "engine.log").write_text(LOG.format(job=2, log=tmp_path / "none.log"))
    assert "(cannot be read: No such file or directory)" in failure_summary(
        [tmp_path / "engine.log"]
    )
