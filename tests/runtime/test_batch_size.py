"""When memory runs out, batches become smaller and the results stay the same."""

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

MEMORY_ERRORS = [
    MemoryError(),
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
    RuntimeError("[enforce fail at alloc_cpu.cpp:119] DefaultCPUAllocator: can't allocate memory"),
]


class MemoryFor:
    """Forward pre-hook that raises an error for batches of more than `capacity` images."""

    def __init__(self, capacity, error):
        self.capacity, self.error, self.batch_sizes = capacity, error, []

    def __call__(self, _module, arguments):
        self.batch_sizes.append(len(arguments[0]))
        if len(arguments[0]) > self.capacity:
            raise self.error


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
        lambda batches: predict(model, batches),
        images,
        lambda: read_rows(images),
        what="predicting",
    )


@pytest.mark.parametrize("error", MEMORY_ERRORS, ids=lambda error: type(error).__name__)
def test_predictions_are_the_same_in_smaller_batches(images, error, capsys):
    model = exact_network(0)
    expected = predictions(model, images)
    memory = MemoryFor(9, error)
    model.network[0].register_forward_pre_hook(memory)
    pd.testing.assert_frame_equal(predictions(model, images), expected)
    # The set has 21 images: batches of 128, 64 and 32 hold all of them, then 16 and 8 are tried.
    assert memory.batch_sizes == [21, 21, 21, 16, 8, 8, 5]
    lines = [line for line in capsys.readouterr().out.splitlines() if "not enough" in line]
    assert [line.split("; ")[-1] for line in lines] == [
        f"trying again with {size} images at a time" for size in (64, 32, 16, 8)
    ]


def test_random_starts_do_not_depend_on_the_batch(images):
    model = exact_network(0).eval()
    attack = pgd.build(norm="l2", eps=0.5, step=0.2, steps=0, random_start=True)
    adversarial = {}
    for size in (21, 4):
        rows = list(read_rows(images))
        adversarial[size] = run_in_batches(
            lambda batches: torch.cat(
                [pixels for _, pixels, _ in attack_batches(model, batches, attack, seed=1)]
            ),
            images,
            lambda rows=rows: rows,
            what="attacking",
        )
        model.network[0].register_forward_pre_hook(MemoryFor(4, MemoryError()))
    assert torch.equal(adversarial[21], adversarial[4])


def test_an_image_that_does_not_fit_is_an_error_of_one_line():
    def work(size):
        raise MemoryError

    message = "predicting: not enough memory for a single image"
    with pytest.raises(ShapebiasError, match=message) as error:
        with_fitting_batch_size(work, 4, what="predicting")
    assert "\n" not in str(error.value)


def test_other_errors_are_raised():
    def work(size):
        raise RuntimeError("shapes cannot be multiplied")

    with pytest.raises(RuntimeError, match="multiplied"):
        with_fitting_batch_size(work, 4, what="predicting")


def test_a_failed_attempt_leaves_no_tensor_in_memory():
    tensors = []

    def work(size):
        assert all(tensor() is None for tensor in tensors)
        large = torch.ones(size)
        tensors.append(weakref.ref(large))
        if size > 2:
            raise MemoryError
        return size

    assert with_fitting_batch_size(work, 8, what="predicting") == 2
    assert len(tensors) == 3


@pytest.mark.parametrize(
    "limit",
    [
        # A machine, and a job, with 300 MiB more than torch uses.
        "memory_limit.MIN_BYTES, memory_limit.available = 300 * 2**20, lambda: 0\n"
        "memory_limit.limit_memory()",
        "memory_limit.MIN_BYTES, memory_limit.available = 0, lambda: 2**40\n"
        "memory_limit.limit_memory(psutil.Process().memory_info().rss // 10**6 + 300)",
    ],
    ids=["machine", "job"],
)
def test_batches_shrink_until_they_fit_the_limit(limit):
    # In a separate process, which is limited.
    code = f"""
import psutil
import torch
from shapebias.runtime import memory_limit
from shapebias.runtime.batch_size import with_fitting_batch_size
torch.set_num_threads(1)
torch.zeros(8).sum()
{limit}
# Two tensors of one mebibyte per image.
work = lambda size: (torch.ones(size, 2**18) + 1).sum().item() / size
print(with_fitting_batch_size(work, 4096, what="adding"))
"""
    completed = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    lines = completed.stdout.splitlines()
    assert lines[0].startswith("adding: not enough memory (") and "2048 images" in lines[0]
    assert lines[-1] == str(2.0**19)


def test_the_first_batch_size_usually_fits(monkeypatch):
    limits = []
    monkeypatch.setattr(batch_size, "limit_memory", limits.append)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)

    def first_size(memory, side=224):
        return with_fitting_batch_size(
            int, 128, shape=(side, side), memory=memory, what="predicting"
        )

    assert first_size(None) == 128 and limits == []
    # ResNet-50 needs 45 MB per image, and the process 1 GB without images.
    assert first_size(3_000) == 44
    assert first_size(3_000, side=64) == first_size(64_000) == 128
    assert first_size(3_000, side=4000) == 1
    assert limits == [3_000, 3_000, 64_000, 3_000]
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda: (2 * 10**9, 9 * 10**9))
    assert first_size(64_000) == 44


@pytest.mark.parametrize("gpu", [False, True])
def test_fixed_bytes_that_do_not_fit_are_an_error_before_the_work_starts(monkeypatch, gpu):
    monkeypatch.setattr(batch_size, "limit_memory", lambda megabytes: None)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpu)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda: (3 * 10**9, 9 * 10**9))

    def first_size(fixed_bytes):
        return with_fitting_batch_size(
            int, 128, shape=(224, 224), memory=4_000, what="dissecting", fixed_bytes=fixed_bytes
        )

    # Each image needs 45 MB, besides the thresholds.
    assert first_size(2 * 10**9) == 22
    assert first_size(2_950 * 10**6) == 1
    needed, free = (4.0, 3.0) if gpu else (5.0, 4.0)
    message = f"{needed} GB of memory are needed .* {free} GB are free.*`parts` or `layer_groups`"
    with pytest.raises(ShapebiasError, match=message) as error:
        first_size(3_960 * 10**6)
    assert "\n" not in str(error.value)


def test_the_lowest_limit_of_all_control_groups_counts(tmp_path, monkeypatch):
    folder = tmp_path / "job/step"
    folder.mkdir(parents=True)
    (tmp_path / "job/memory.max").write_text("4096\n")
    (folder / "memory.max").write_text("max\n")
    own_groups = tmp_path / "cgroup"
    monkeypatch.setattr(memory_limit, "CGROUPS", tmp_path)
    monkeypatch.setattr(memory_limit, "OWN_CGROUPS", own_groups)
    own_groups.write_text("1:name=systemd:/x\n0::/job/step\n")
    assert memory_limit.available() == 4096
    own_groups.write_text("")
    assert memory_limit.available() > 2**28
