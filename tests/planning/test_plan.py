"""The plan: a dry run in plain words."""

import pytest

from planning.runs.plan import duration, explain, jobs_of, plan

DRY_RUN = """Building DAG of jobs...

[Sat Nov 21 08:54:03 2026]
rule train_network:
    output: results/x/models/a/weights.safetensors
    log: {logs}/train_network/a.log
    reason: Params have changed since last execution: before: {{'epochs': 2}} now: {{'epochs': 3}}
    wildcards: model=a
rule predict_images:
    log: {logs}/predict_images/a-photos.log
    reason: Missing output files: x.parquet; Input files updated by another job: y
    wildcards: model=a, image_set=photos
rule predict_images:
    log: {logs}/predict_images/a-drawings.log
    reason: Input files updated by another job: y
    wildcards: model=a, image_set=drawings
localrule write_report:
    log: {logs}/write_report.log
    reason: Missing output files: report.html
rule all:
    reason: Input files updated by another job: report.html
Job stats:
"""


def test_jobs_are_grouped_by_network_and_rule_with_reason_and_time(tmp_path):
    for name, time in (("train_network/a", 300.0), ("predict_images/a-photos", 20.0)):
        log = tmp_path / f"{name}.log"
        log.parent.mkdir()
        log.write_text(f"epoch 2 of 2\ntook {time - 3} s and 3.0 s to start, peak 400 MiB\n")
    # The drawings were never predicted: the median time of the rule's other jobs is used.
    assert plan(jobs_of(DRY_RUN.format(logs=tmp_path))).splitlines() == [
        "4 jobs would run, about 6 min of work judging by earlier runs "
        "(1 job without an earlier run not counted)",
        "",
        "network a",
        "    train_network: 1 job, 5 min: its epochs changed from 2 to 3",
        "    predict_images: 1 job, 20 s: its outputs do not exist yet",
        "    predict_images: 1 job, 20 s: its inputs are computed again",
        "",
        "tables, figures and report",
        "    write_report: 1 job: its outputs do not exist yet",
    ]


def test_an_empty_plan_is_one_line():
    assert plan(jobs_of("Building DAG of jobs...\nNothing to be done.")) == (
        "nothing would run: all results are up to date"
    )


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        (
            "Params have changed since last execution: Union: before: {'fingerprint': 'a'} "
            "now: {'fingerprint': 'b'}",
            "its code changed",
        ),
        (
            "Params have changed since last execution: Union: "
            "before: {'fingerprint': 'a', 'packages': {'torch': '1'}} "
            "now: {'fingerprint': 'a', 'packages': {'torch': '2'}}",
            "the packages that it uses changed (torch from '1' to '2')",
        ),
        (
            "Updated input files: x; Input files updated by another job: y",
            "its inputs changed",
        ),
        (
            "Params have changed since last execution: before: {'a': {'b': 1, 'c': 2}, 'd': 3} "
            "now: {'a': {'b': 1, 'c': [4]}, 'e': 5}",
            "its a.c changed from 2 to [4], its d changed from 3 to nothing, "
            "its e changed from nothing to 5",
        ),
        (
            "Params have changed since last execution: before: {'a': 1, 'b': 1, 'c': 1, 'd': 1} "
            "now: {'a': 2, 'b': 2, 'c': 2, 'd': 2}",
            "its a changed from 1 to 2, its b changed from 1 to 2, its c changed from 1 to 2, "
            "and 1 more",
        ),
        (
            "Params have changed since last execution: before: <one> now: <two>",
            "its settings changed from <one> to <two>",
        ),
        ("Forced execution", "requested"),
        ("Something new in Snakemake", "Something new in Snakemake"),
    ],
)
def test_reasons_are_explained_in_plain_words(reason, words):
    assert explain(reason) == words


CODE = {
    "study": "tiny",
    "seed": 3,
    "fingerprint": "a",
    "packages": {"numpy": "2.3", "torch": "2.1"},
    "own_code": ["d"],
}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"fingerprint": "b"}, "its code changed"),
        ({"seed": 4}, "its seed changed from 3 to 4"),
        ({"own_code": ["e"]}, "your module's code changed"),
        (
            {"packages": {"numpy": "2.3", "torch": "2.2"}},
            "the packages that it uses changed (torch from '2.1' to '2.2')",
        ),
        (
            {"seed": 4, "own_code": ["e"]},
            "your module's code changed, its seed changed from 3 to 4",
        ),
    ],
)
def test_a_change_of_the_code_of_a_job_names_the_part_that_changed(change, words):
    before, now = CODE, CODE | change
    reason = "Params have changed since last execution: Union of exclusive params: before: "
    assert explain(f"{reason}{before} now: {now}") == words
    assert (
        explain(f"{reason}{{'epochs': 2}},{before} now: {{'epochs': 3}},{now}")
        == f"{words}, its epochs changed from 2 to 3"
    )


def test_units_of_durations():
    assert [duration(s) for s in (5, 119, 600, 12_600)] == ["5 s", "119 s", "10 min", "3.5 h"]
