"""What a job has of its machine: threads as its rule says, and graphics cards of its own."""

import os
import subprocess
import sys

import pytest
import torch

from shapebias.errors import ShapebiasError
from shapebias.runtime import batches, gpus
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


# A process that pretends to have cards, says which it has, and keeps them until it is told.
PRETENDER = """
import os, sys
from types import SimpleNamespace
count = lambda: len(os.environ.get("CUDA_VISIBLE_DEVICES", "0,1").split(","))
sys.modules["torch"] = SimpleNamespace(cuda=SimpleNamespace(device_count=count))
from shapebias.gpus import claim, VISIBLE
print(*claim(int(sys.argv[2]), sys.argv[1]), "sees", os.environ.get(VISIBLE), flush=True)
assert claim(1, sys.argv[1]) == claim(5, sys.argv[1])
sys.stdin.read()
"""


def pretender(folder, number=1, **environment):
    clean = {key: value for key, value in os.environ.items() if key not in gpus.ENGINES}
    return subprocess.Popen(
        [sys.executable, "-c", PRETENDER, str(folder), str(number)],
        env={**clean, "PYTHONPATH": str(ROOT), **environment},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def cards_of(process):
    """The line that says which cards a process has, after those for its log."""
    return next(line.strip() for line in process.stdout if "graphics card" not in line)


@pytest.mark.parametrize("visible", ["", "3,5"])
def test_each_job_has_a_card_of_its_own(tmp_path, visible):
    settings = {"CUDA_VISIBLE_DEVICES": visible} if visible else {}
    cards = visible.split(",") if visible else ["0", "1"]
    with pretender(tmp_path, **settings) as first, pretender(tmp_path, **settings) as second:
        found = [cards_of(process) for process in (first, second)]
        # Each sees its own and no other.
        assert sorted(found) == [f"{card} sees {card}" for card in cards]
        with pretender(tmp_path, **settings) as third:
            assert third.stdout.readline() == "waiting for one of 2 graphics cards\n"
            # However a job ends, its card is free.
            first.kill()
            assert cards_of(third) == found[0]
            for process in (second, third):
                process.stdin.close()


def test_a_job_of_several_cards_has_them_all_or_waits(tmp_path):
    settings = {"CUDA_VISIBLE_DEVICES": "4,5,6"}
    with pretender(tmp_path, **settings) as one, pretender(tmp_path, 2, **settings) as two:
        taken = [set(cards_of(process).split(" sees ")[1].split(",")) for process in (one, two)]
        assert sorted(map(len, taken)) == [1, 2]
        assert set.union(*taken) == {"4", "5", "6"}
        with pretender(tmp_path, 2, **settings) as waiting, pretender(tmp_path, **settings) as last:
            # Whichever of them came first, neither keeps from the other what it needs.
            assert waiting.stdout.readline() == "waiting for 2 of 3 graphics cards\n"
            assert last.stdout.readline() == "waiting for one of 3 graphics cards\n"
            one.kill()
            two.kill()
            later = [
                set(cards_of(process).split(" sees ")[1].split(",")) for process in (waiting, last)
            ]
            assert set.union(*later) == {"4", "5", "6"} and sum(map(len, later)) == 3
            for process in (waiting, last):
                process.stdin.close()


@pytest.mark.parametrize("engine", ["SLURM_JOB_ID", "TORCHELASTIC_RUN_ID", gpus.CLAIMED])
def test_what_gives_a_job_its_cards_is_left_to_it(tmp_path, engine):
    with pretender(tmp_path, **{engine: "1", "CUDA_VISIBLE_DEVICES": "1"}) as process:
        assert process.stdout.readline() == "sees 1\n"
        process.stdin.close()


@pytest.mark.parametrize("card", [True, False])
def test_a_card_computes_in_all_bits_of_float32(monkeypatch, card):
    monkeypatch.setattr(batches, "claim", lambda: None)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: card)
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", True)
    assert batches.device().type == ("cuda" if card else "cpu")
    assert torch.backends.cudnn.allow_tf32 is not card


def test_without_a_card_there_is_none_to_claim(tmp_path, monkeypatch):
    monkeypatch.setattr("torch.cuda.device_count", lambda: 0)
    assert gpus.claim(1, tmp_path) == []


def test_a_training_takes_as_many_cards_as_its_devices(tmp_path, monkeypatch):
    taken = []
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    monkeypatch.setattr("torch.cuda.current_device", lambda: 1)
    monkeypatch.setattr(fabric, "claim", taken.append)
    monkeypatch.setattr(fabric, "Fabric", lambda **settings: settings)
    assert fabric.fabric_of(devices=2)["devices"] == 2
    assert fabric.fabric_of()["devices"] == [1]
    assert taken == [2, 1]
    with pytest.raises(ShapebiasError, match="more than this machine's 2"):
        fabric.fabric_of(devices=3)
    assert taken == [2, 1]
