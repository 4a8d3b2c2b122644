"""A job uses the threads of its rule and GPUs that no other job uses."""

import os
import subprocess
import sys
from unittest.mock import create_autospec

import pytest
import torch

from shapebias.errors import ShapebiasError
from shapebias.runtime import gpus
from shapebias.training import fabric
from tests.conftest import ROOT

SNAKEFILE = """
rule all:
    input: "1.txt", "2.txt"
    default_target: True
rule work:
    output: "{n}.txt"
    log: "{n}.log"
    threads: lambda wildcards: int(wildcards.n)
    params: code={"study": "x"}
    script: "work.py"
"""
SCRIPT = """
import os
import torch
from shapebias.runtime.job import job
with job(snakemake.log[0], snakemake.params.code, [], snakemake.threads):
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    threads = {torch.get_num_threads(), *(int(os.environ[name]) for name in names)}
    open(snakemake.output[0], "w").write(f"{threads}")
"""


def test_torch_and_blas_use_the_threads_of_the_rule(tmp_path):
    (tmp_path / "Snakefile").write_text(SNAKEFILE)
    (tmp_path / "work.py").write_text(SCRIPT)
    # The rule overrides the shell's setting.
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "7"}
    subprocess.run(
        [sys.executable, "-m", "snakemake", "--cores", "2"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        check=True,
    )
    assert [(tmp_path / f"{n}.txt").read_text() for n in (1, 2)] == ["{1}", "{2}"]


# A process with fake GPUs: it prints those it has claimed, and keeps them until its input ends.
CLAIMING = """
import os, sys
from types import SimpleNamespace
count = lambda: len(os.environ.get("CUDA_VISIBLE_DEVICES", "0,1").split(","))
cuda = SimpleNamespace(device_count=count)
sys.modules["torch"] = SimpleNamespace(cuda=cuda, device=str)
from shapebias.runtime.gpus import claim, VISIBLE
print(*claim(int(sys.argv[2]), sys.argv[1]), "sees", os.environ.get(VISIBLE), flush=True)
assert claim(1, sys.argv[1]) == claim(5, sys.argv[1])
sys.stdin.read()
"""


def claiming_process(folder, number=1, **environment):
    without_engines = {k: value for k, value in os.environ.items() if k not in gpus.ENGINES}
    return subprocess.Popen(
        [sys.executable, "-c", CLAIMING, str(folder), str(number)],
        env={**without_engines, "PYTHONPATH": str(ROOT), **environment},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def gpus_of(process):
    """Line that a process prints about its GPUs, after those of its log."""
    return next(line.strip() for line in process.stdout if "GPU" not in line)


@pytest.mark.parametrize("visible", ["", "3,5"])
def test_each_job_has_its_own_gpu(tmp_path, visible):
    settings = {"CUDA_VISIBLE_DEVICES": visible} if visible else {}
    names = visible.split(",") if visible else ["0", "1"]
    with (
        claiming_process(tmp_path, **settings) as first,
        claiming_process(tmp_path, **settings) as second,
    ):
        lines = [gpus_of(process) for process in (first, second)]
        # Each sees only its own GPU.
        assert sorted(lines) == [f"{name} sees {name}" for name in names]
        with claiming_process(tmp_path, **settings) as third:
            assert third.stdout.readline() == "waiting for 1 of 2 GPUs\n"
            # A GPU becomes free when its job ends, also when it is killed.
            first.kill()
            assert gpus_of(third) == lines[0]
            for process in (second, third):
                process.stdin.close()


def test_a_job_that_needs_several_gpus_waits_for_all_of_them(tmp_path):
    settings = {"CUDA_VISIBLE_DEVICES": "4,5,6"}

    def claimed_by(process):
        return set(gpus_of(process).split(" sees ")[1].split(","))

    with (
        claiming_process(tmp_path, **settings) as single,
        claiming_process(tmp_path, 2, **settings) as double,
    ):
        claimed = [claimed_by(process) for process in (single, double)]
        assert sorted(map(len, claimed)) == [1, 2]
        assert set.union(*claimed) == {"4", "5", "6"}
        with (
            claiming_process(tmp_path, 2, **settings) as waiting,
            claiming_process(tmp_path, **settings) as last,
        ):
            # Whichever of them starts first, neither blocks the other for ever.
            assert waiting.stdout.readline() == "waiting for 2 of 3 GPUs\n"
            assert last.stdout.readline() == "waiting for 1 of 3 GPUs\n"
            single.kill()
            double.kill()
            claimed = [claimed_by(process) for process in (waiting, last)]
            assert set.union(*claimed) == {"4", "5", "6"} and sum(map(len, claimed)) == 3
            for process in (waiting, last):
                process.stdin.close()


@pytest.mark.parametrize("engine", ["SLURM_JOB_ID", "TORCHELASTIC_RUN_ID", gpus.CLAIMED])
def test_gpus_assigned_by_an_engine_are_not_claimed(tmp_path, engine):
    settings = {engine: "1", "CUDA_VISIBLE_DEVICES": "1"}
    with claiming_process(tmp_path, **settings) as process:
        assert process.stdout.readline() == "sees 1\n"
        process.stdin.close()


@pytest.mark.parametrize("gpu", [True, False])
def test_a_gpu_does_not_compute_in_tf32(monkeypatch, gpu):
    monkeypatch.setattr(gpus, "claim", lambda: None)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpu)
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", True)
    assert gpus.device().type == ("cuda" if gpu else "cpu")
    assert torch.backends.cudnn.allow_tf32 is not gpu


def test_nothing_is_claimed_without_a_gpu(tmp_path, monkeypatch):
    monkeypatch.setattr("torch.cuda.device_count", lambda: 0)
    assert gpus.claim(1, tmp_path) == []


def test_a_training_claims_a_gpu_per_device(tmp_path, monkeypatch):
    claimed = []
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    monkeypatch.setattr("torch.cuda.current_device", lambda: 1)
    monkeypatch.setattr(fabric, "claim", claimed.append)
    settings = create_autospec(fabric.Fabric)
    monkeypatch.setattr(fabric, "Fabric", settings)
    fabric.fabric_of(devices=2)
    assert settings.call_args.kwargs["devices"] == 2
    fabric.fabric_of()
    assert settings.call_args.kwargs["devices"] == [1]
    assert claimed == [2, 1]
    with pytest.raises(ShapebiasError, match="more than this machine's 2"):
        fabric.fabric_of(devices=3)
    assert claimed == [2, 1]
