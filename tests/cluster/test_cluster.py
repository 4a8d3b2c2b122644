"""The workflow on a real Slurm cluster, through profiles/slurm, and what may go wrong there."""

import re
import shutil
import signal
from pathlib import Path

import pytest

from tests.cluster.conftest import OnCluster
from tests.conftest import ROOT

GPU_WORK = (
    *("train_network", "looks", "dissect_channels", "dissect_randomised_networks"),
    *("ablate_channels", "ablate_concepts"),
)
CPU_WORK = ("ingest_images", "ingest_concepts", "derive_images", "tables")
WEIGHTS = [f"results/shrunk/models/{name}/weights.safetensors" for name in ("alexnet", "alexnet_r")]


@pytest.fixture(scope="module")
def study(cluster, tmp_path_factory):
    """The shrunk study, run on the cluster."""
    workflow = OnCluster(tmp_path_factory.mktemp("study"), cluster)
    workflow.finish()
    return workflow


def test_tables_are_those_of_a_local_run(study, local):
    found = study.files("results/shrunk/tables")
    folder = local.folder / "results/shrunk/tables"
    assert found.keys() == {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()}
    assert len(found) > 20
    assert [name for name in found if found[name] != (folder / name).read_bytes()] == []


def test_gpu_jobs_go_to_gpu_nodes_and_others_do_not(cluster, study):
    for rule in GPU_WORK:
        jobs = cluster.jobs(rule, study.folder)
        assert jobs, rule
        for job in jobs:
            assert (job["Partition"], job["NodeList"]) == ("gpu", "g1"), rule
            # One GPU a job, be it a group of many.
            assert job["TresPerJob"] == "gres:gpu:1", rule
    for rule in CPU_WORK:
        jobs = cluster.jobs(rule, study.folder)
        assert jobs, rule
        assert {job["Partition"] for job in jobs} == {"cpu"}, rule
        assert not any("TresPerJob" in job for job in jobs), rule


def test_short_jobs_share_submissions(cluster, study):
    # Twelve jobs, eight at most together, that are ready at two times or at one.
    assert len(cluster.jobs("looks", study.folder)) <= 3
    # All that the report needs is one submission; what it does not need is another or two.
    assert len(cluster.jobs("tables", study.folder)) <= 3


def test_jobs_survive_what_a_cluster_does_to_them(cluster, tmp_path):
    workflow = OnCluster(tmp_path, cluster)
    shutil.copy(ROOT / "tests/cluster/faults.smk", tmp_path / "Snakefile")
    snakemake = workflow.begin("--jobs", "4")
    cluster.ask("scancel", cluster.wait_for("cancelled", tmp_path)["JobId"])
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
    controller = workflow.begin(*WEIGHTS)
    orphan = cluster.wait_for("train_network", tmp_path)["JobId"]
    refused = workflow.begin(*WEIGHTS, module="planning.runs.resume")
    assert refused.wait() == 1
    assert f"still works on this study (process {controller.pid})" in (tmp_path / "log").read_text()
    controller.send_signal(signal.SIGKILL)
    controller.wait()
    # Its jobs go on without it.
    assert cluster.wait_for("train_network", tmp_path)["JobId"] == orphan
    log = workflow.finish(*WEIGHTS, module="planning.runs.resume")
    assert re.search(rf"cancelling \d+ jobs?:.* {orphan}\b", log)
    jobs = {job["JobId"]: job for job in cluster.jobs("train_network", tmp_path)}
    assert jobs[orphan]["JobState"] == "CANCELLED"
    ended = jobs[orphan]["EndTime"]
    later = [job for job in jobs.values() if job["JobState"] == "COMPLETED"]
    assert all(job["StartTime"] >= ended for job in later if int(job["JobId"]) > int(orphan))
    for path in WEIGHTS:
        assert (tmp_path / path).read_bytes() == (local.folder / path).read_bytes()
    assert not list(Path(tmp_path, "results").rglob(".*"))
