"""Memory that does not suffice: batches shrink, and what comes out is the same."""

import subprocess
import sys
import weakref

import numpy as np
import pandas as pd
import pytest
import torch

from shapebias.attacks import pgd
from shapebias.behaviour.adversarial_images import attack_batches
from shapebias.behaviour.predict import predict
from shapebias.errors import ShapebiasError
from shapebias.io.image_codec import encode_png
from shapebias.io.image_sets import ResizeCrop, read_rows, write_images
from shapebias.runtime import batch_size, memory_limit
from shapebias.runtime.batch_size import with_fitting_batch_size
from shapebias.runtime.batches import run_in_batches
from tests.conftest import ROOT
from tests.helpers.planted_networks import exact_network

REFUSALS = [
    MemoryError(),
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
    RuntimeError("[enforce fail at alloc_cpu.cpp:119] DefaultCPUAllocator: can't allocate memory"),
]


class Memory:
    """Stands in for an allocator that holds so many images."""

    def __init__(self, most, refusal):
        self.most, self.refusal, self.seen = most, refusal, []

    def __call__(self, _module, arguments):
        self.seen.append(len(arguments[0]))
        if len(arguments[0]) > self.most:
            raise self.refusal


@pytest.fixture
def images(tmp_path):
    """An image set of 21 random images of 8 × 8."""
    rng = np.random.default_rng(0)
    rows = [
        {
            "image_id": f"image{number}",
            "image": encode_png(rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)),
            "label": "abcd"[number % 4],
        }
        for number in range(21)
    ]
    write_images(rows, tmp_path / "part-0.parquet", sizing=ResizeCrop())
    return [tmp_path / "part-0.parquet"]


def predictions(model, images):
    return run_in_batches(
        lambda batches: predict(model, batches), images, lambda: read_rows(images), what="asking"
    )


@pytest.mark.parametrize("refusal", REFUSALS, ids=lambda one: type(one).__name__)
def test_predictions_are_the_same_in_smaller_batches(images, refusal, capsys):
    model = exact_network(0)
    expected = predictions(model, images)
    memory = Memory(9, refusal)
    model.network[0].register_forward_pre_hook(memory)
    pd.testing.assert_frame_equal(predictions(model, images), expected)
    # 128 at most, of which 21 came; 16 and then 8 were tried.
    assert memory.seen == [21, 21, 21, 16, 8, 8, 5]
    lines = [line for line in capsys.readouterr().out.splitlines() if "not enough" in line]
    assert [line.split("; ")[-1] for line in lines] == [
        f"again, {size} images at a time" for size in (64, 32, 16, 8)
    ]


def test_random_starts_do_not_depend_on_the_batch(images):
    model = exact_network(0).eval()
    attack = pgd.build(norm="l2", eps=0.5, step=0.2, steps=0, random_start=True)
    found = {}
    for size in (21, 4):
        rows = list(read_rows(images))
        found[size] = run_in_batches(
            lambda batches: torch.cat(
                [made for _, made, _ in attack_batches(model, batches, attack, seed=1)]
            ),
            images,
            lambda rows=rows: rows,
            what="attacking",
        )
        model.network[0].register_forward_pre_hook(Memory(4, MemoryError()))
    assert torch.equal(found[21], found[4])


def test_one_image_too_large_is_told_in_one_line():
    def work(size):
        raise MemoryError

    with pytest.raises(
        ShapebiasError, match="asking: not enough memory for a single image"
    ) as told:
        with_fitting_batch_size(work, 4, what="asking")
    assert "\n" not in str(told.value)


def test_other_errors_are_not_taken_for_it():
    def work(size):
        raise RuntimeError("shapes cannot be multiplied")

    with pytest.raises(RuntimeError, match="multiplied"):
        with_fitting_batch_size(work, 4, what="asking")


def test_an_attempt_leaves_nothing_behind():
    tensors = []

    def work(size):
        assert all(tensor() is None for tensor in tensors)
        large = torch.ones(size)
        tensors.append(weakref.ref(large))
        if size > 2:
            raise MemoryError
        return size

    assert with_fitting_batch_size(work, 8, what="asking") == 2
    assert len(tensors) == 3


@pytest.mark.parametrize(
    "limit",
    [
        # A machine that has 300 MiB more than torch takes, and a job that was given as much.
        "memory_limits.LEAST, memory_limits.available = 300 * 2**20, lambda: 0\n"
        "memory_limits.limit_memory()",
        "memory_limits.LEAST, memory_limits.available = 0, lambda: 2**40\n"
        "memory_limits.limit_memory(memory_limits._of_process('VmRSS') // 10**6 + 300)",
    ],
    ids=["machine", "job"],
)
def test_a_limit_is_met_by_smaller_batches(limit):
    # In a process of its own.
    code = f"""
import torch
from shapebias import memory_limits
from shapebias.shrinking import shrinking
torch.set_num_threads(1)
torch.zeros(8).sum()
{limit}
# A mebibyte an image, twice.
work = lambda size: (torch.ones(size, 2**18) + 1).sum().item() / size
print(shrinking(work, 4096, what="adding"))
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    lines = done.stdout.splitlines()
    assert lines[0].startswith("adding: not enough memory (") and "2048 images" in lines[0]
    assert lines[-1] == str(2.0**19)


def test_work_begins_with_what_usually_fits(monkeypatch):
    limits = []
    monkeypatch.setattr(batch_size, "limit_memory", limits.append)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)

    def begun(memory, side=224, most=128):
        row = {"pixels": np.zeros((side, side, 3), np.uint8)}
        return batch_size.with_batch_in_memory(int, most, like=row, memory=memory, what="asking")

    assert begun(None) == 128 and limits == []
    # ResNet-50 takes 45 MB an image, and its process one GB without any.
    assert begun(3_000) == 44
    assert begun(3_000, side=64) == begun(64_000) == 128
    assert begun(3_000, side=4000) == 1
    assert limits == [3_000, 3_000, 64_000, 3_000]
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda: (2 * 10**9, 9 * 10**9))
    assert begun(64_000) == 44


@pytest.mark.parametrize("card", [False, True])
def test_what_cannot_fit_is_told_before_it_begins(monkeypatch, card):
    monkeypatch.setattr(batch_size, "limit_memory", lambda megabytes: None)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: card)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda: (3 * 10**9, 9 * 10**9))

    def begun(held):
        row = {"pixels": np.zeros((224, 224, 3), np.uint8)}
        return batch_size.with_batch_in_memory(
            int, 128, like=row, memory=4_000, what="dissecting", held=held
        )

    # Each image takes 45 MB, beside the thresholds.
    assert begun(2 * 10**9) == 22
    assert begun(2_950 * 10**6) == 1
    need, there = (4.0, 3.0) if card else (5.0, 4.0)
    said = f"need {need} GB of memory and there are {there} GB.*`parts` or `layer_groups`"
    with pytest.raises(ShapebiasError, match=said) as told:
        begun(3_960 * 10**6)
    assert "\n" not in str(told.value)


def test_the_least_limit_of_all_groups_counts(tmp_path, monkeypatch):
    folder = tmp_path / "job/step"
    folder.mkdir(parents=True)
    (tmp_path / "job/memory.max").write_text("4096\n")
    (folder / "memory.max").write_text("max\n")
    monkeypatch.setattr(memory_limit, "CGROUPS", tmp_path)
    monkeypatch.setattr(memory_limit, "_groups", lambda: ["1:name=systemd:/x", "0::/job/step"])
    assert memory_limit.available() == 4096
    monkeypatch.setattr(memory_limit, "_groups", lambda: [])
    assert memory_limit.available() > 2**28
