"""What a job has of its machine: threads as its rule says, and one graphics card at most."""

import os
import subprocess
import sys

import pytest
import torch

from shapebias import batching, gpus
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
from shapebias.jobs import job
with job(snakemake.log[0], snakemake.params.code, [], snakemake.threads):
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    threads = {torch.get_num_threads(), *(int(os.environ[name]) for name in names)}
    open(snakemake.output[0], "w").write(f"{threads}")
"""


def test_torch_and_blas_have_the_threads_of_the_rule(tmp_path):
    (tmp_path / "Snakefile").write_text(SNAKEFILE)
    (tmp_path / "work.py").write_text(SCRIPT)
    # What a shell had set before does not count.
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "7"}
    subprocess.run(
        [sys.executable, "-m", "snakemake", "--cores", "2"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        check=True,
    )
    assert [(tmp_path / f"{n}.txt").read_text() for n in (1, 2)] == ["{1}", "{2}"]


# A process that pretends to have two cards, says which one it has, and keeps it until it is told.
PRETENDER = """
import os, sys
from types import SimpleNamespace
count = lambda: len(os.environ.get("CUDA_VISIBLE_DEVICES", "0,1").split(","))
sys.modules["torch"] = SimpleNamespace(cuda=SimpleNamespace(device_count=count))
from shapebias.gpus import claim, VISIBLE
print(claim(sys.argv[1]), os.environ.get(VISIBLE), flush=True)
sys.stdin.read()
"""


def pretender(folder, **environment):
    clean = {key: value for key, value in os.environ.items() if key not in gpus.ENGINES}
    return subprocess.Popen(
        [sys.executable, "-c", PRETENDER, str(folder)],
        env={**clean, "PYTHONPATH": str(ROOT), **environment},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def card_of(process):
    """The line that says which card a process has, after those for its log."""
    return next(line.strip() for line in process.stdout if "graphics card" not in line)


@pytest.mark.parametrize("visible", ["", "3,5"])
def test_each_job_has_a_card_of_its_own(tmp_path, visible):
    settings = {"CUDA_VISIBLE_DEVICES": visible} if visible else {}
    cards = visible.split(",") if visible else ["0", "1"]
    with pretender(tmp_path, **settings) as first, pretender(tmp_path, **settings) as second:
        found = [card_of(process) for process in (first, second)]
        # Each sees its own and no other.
        assert sorted(found) == [f"{card} {card}" for card in cards]
        with pretender(tmp_path, **settings) as third:
            assert third.stdout.readline() == "waiting for one of 2 graphics cards\n"
            # However a job ends, its card is free.
            first.kill()
            assert card_of(third) == found[0]
            for process in (second, third):
                process.stdin.close()


def test_an_engine_that_gives_cards_is_left_to_it(tmp_path):
    with pretender(tmp_path, SLURM_JOB_ID="1", CUDA_VISIBLE_DEVICES="1") as process:
        assert process.stdout.readline() == "None 1\n"
        process.stdin.close()


@pytest.mark.parametrize("card", [True, False])
def test_a_card_computes_in_all_bits_of_float32(monkeypatch, card):
    monkeypatch.setattr(batching, "claim", lambda: None)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: card)
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", True)
    assert batching.device().type == ("cuda" if card else "cpu")
    assert torch.backends.cudnn.allow_tf32 is not card


def test_without_a_card_there_is_none_to_claim(tmp_path, monkeypatch):
    monkeypatch.setattr("torch.cuda.device_count", lambda: 0)
    gpus.claim.cache_clear()
    assert gpus.claim(tmp_path) is None
    gpus.claim.cache_clear()
