"""The workflow on a real Slurm cluster with profiles/slurm, also when jobs and nodes fail."""

import re
import shutil
import signal
from pathlib import Path

import pytest

from tests.cluster.conftest import OnCluster
from tests.conftest import ROOT

GPU_JOBS = (
    *("train_network", "inference", "dissect_channels", "dissect_randomised_networks"),
    *("ablate_channels", "ablate_concepts"),
)
CPU_JOBS = ("ingest_images", "ingest_concepts", "derive_images", "tables")
WEIGHTS = [f"results/small/models/{name}/weights.safetensors" for name in ("alexnet", "alexnet_r")]


@pytest.fixture(scope="module")
def study(cluster, tmp_path_factory):
    """The small study, run on the cluster."""
    workflow = OnCluster(tmp_path_factory.mktemp("study"), cluster)
    workflow.finish()
    return workflow


def test_tables_equal_those_of_a_local_run(study, local):
    tables = study.files("results/small/tables")
    folder = local.folder / "results/small/tables"
    assert tables.keys() == {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()}
    assert len(tables) > 20
    assert [name for name in tables if tables[name] != (folder / name).read_bytes()] == []


def test_only_gpu_jobs_go_to_gpu_nodes(cluster, study):
    for rule in GPU_JOBS:
        jobs = cluster.jobs(rule, study.folder)
        assert jobs, rule
        for job in jobs:
            assert (job["Partition"], job["NodeList"]) == ("gpu", "g1"), rule
            # One GPU for each job, also for a group of many.
            assert job["TresPerJob"] == "gres:gpu:1", rule
    for rule in CPU_JOBS:
        jobs = cluster.jobs(rule, study.folder)
        assert jobs, rule
        assert {job["Partition"] for job in jobs} == {"cpu"}, rule
        assert not any("TresPerJob" in job for job in jobs), rule


def test_short_jobs_share_submissions(cluster, study):
    # Twelve jobs, at most eight a submission, that become ready at one time or at two.
    assert len(cluster.jobs("inference", study.folder)) <= 3
    # All that the report needs is one submission; the others are one or two more.
    assert len(cluster.jobs("tables", study.folder)) <= 3


def test_jobs_are_retried_after_failures_of_the_cluster(cluster, tmp_path):
    workflow = OnCluster(tmp_path, cluster)
    shutil.copy(ROOT / "tests/cluster/faults.smk", tmp_path / "Snakefile")
    snakemake = workflow.start("--jobs", "4")
    cluster.output_of("scancel", cluster.wait_for("cancelled", tmp_path)["JobId"])
    node = cluster.wait_for("dead_node", tmp_path)["NodeList"]
    cluster.kill_node(node)
    assert snakemake.wait(timeout=400) == 0, (tmp_path / "log").read_text()
    cluster.revive(node)
    attempts = {
        rule: [job["JobState"] for job in cluster.jobs(rule, tmp_path)]
        for rule in ("cancelled", "dead_node", "over_time", "out_of_memory")
    }
    assert attempts == {
        "cancelled": ["CANCELLED", "COMPLETED"],
        "dead_node": ["NODE_FAIL", "COMPLETED"],
        "over_time": ["TIMEOUT", "COMPLETED"],
        "out_of_memory": ["FAILED", "COMPLETED"],
    }
    first, second = (job["MinMemoryNode"] for job in cluster.jobs("out_of_memory", tmp_path))
    assert (first, second) == ("2000M", "4000M")
    assert (tmp_path / "out_of_memory.txt").read_text().strip() == second
    assert cluster.jobs("dead_node", tmp_path)[1]["NodeList"] != node


def test_a_killed_controller_is_resumed_by_one_command(cluster, local, tmp_path):
    workflow = OnCluster(tmp_path, cluster)
    controller = workflow.start(*WEIGHTS)
    orphan = cluster.wait_for("train_network", tmp_path)["JobId"]
    second = workflow.start(*WEIGHTS, module="planning.runs.resume")
    assert second.wait() == 1
    assert f"still works on this study (process {controller.pid})" in (tmp_path / "log").read_text()
    controller.send_signal(signal.SIGKILL)
    controller.wait()
    # Its jobs continue without it.
    assert cluster.wait_for("train_network", tmp_path)["JobId"] == orphan
    log = workflow.finish(*WEIGHTS, module="planning.runs.resume")
    assert re.search(rf"cancelling \d+ jobs?:.* {orphan}\b", log)
    jobs = {job["JobId"]: job for job in cluster.jobs("train_network", tmp_path)}
    assert jobs[orphan]["JobState"] == "CANCELLED"
    end = jobs[orphan]["EndTime"]
    completed = [job for job in jobs.values() if job["JobState"] == "COMPLETED"]
    assert all(job["StartTime"] >= end for job in completed if int(job["JobId"]) > int(orphan))
    for path in WEIGHTS:
        assert (tmp_path / path).read_bytes() == (local.folder / path).read_bytes()
    assert not list(Path(tmp_path, "results").rglob(".*"))
