"""Training on two devices gives the weights of one device, also after a kill."""

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.multiprocessing import ProcessRaisedException
from torch.nn.utils import parameters_to_vector

from shapebias.attacks import pgd
from shapebias.errors import ShapebiasError, UnknownName
from shapebias.io.image_codec import encode_png
from shapebias.io.image_sets import ResizeCrop, write_images
from shapebias.networks.architectures import alexnet, resnet
from shapebias.networks.checkpoints import load_network
from shapebias.training.fabric import Fabric, fabric_of, run_on_devices
from shapebias.training.recipes import adversarial, standard
from shapebias.training.resume_state import TrainingState
from tests.conftest import ROOT
from tests.helpers.training import train

SETTINGS = {
    "batch": 8,
    "learning_rate": 0.01,
    "momentum": 0.9,
    "weight_decay": 1e-4,
    "schedule": "onecycle",
    "seed": 0,
}


class Killed(Exception):
    pass


class KilledWithinEpoch(TrainingState):
    """State of a training that is killed within its second epoch, just after a save."""

    def save(self, *arguments):
        super().save(*arguments)
        position = arguments[-1]
        if len(position.history) == 1 and position.step == 2:
            raise Killed


def work(fabric, norms=False, path=None, epochs=2, stop=None, state=TrainingState, seconds=1800.0):
    """Weights of every device, and the log of the first, after a training of a few steps."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    build, size = (resnet.build, 32) if norms else (alexnet.build, 64)
    kind = {"depth": 18} if norms else {"dropout": 0.0}
    model = build(classes=list("abc"), input_size=size, width=0.125, stem="small", **kind)
    model.to(fabric.device)
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 99, (40, 3, size, size), dtype=torch.uint8, generator=generator)
    labels = torch.arange(40) % 3
    images[torch.arange(40), labels] += 150

    def kill(entry):
        if entry["epoch"] == stop:
            raise Killed

    attack = pgd.build(norm="l2", eps=0.5, step=0.25, steps=1, random_start=norms)
    log = train(
        model,
        images.to(fabric.device),
        labels.to(fabric.device),
        recipe=adversarial.build(attack=attack) if norms else standard.build(),
        validation=(images[:9].to(fabric.device), labels[:9].to(fabric.device)),
        augmentation="flip" if norms else "none",
        state=path and state(path, identity={}, seconds=seconds),
        on_epoch=kill,
        fabric=fabric,
        epochs=epochs,
        **SETTINGS,
    )
    for entry in log:
        del entry["images_per_second"]
    weights = torch.cat([value.flatten().float() for value in model.parameters()]).detach().cpu()
    devices = [weights]
    if fabric.world_size > 1:
        devices = list(fabric.all_gather(weights))
    return devices, log


def on(devices, *arguments):
    return run_on_devices(fabric_of(devices=devices), work, *arguments)


def test_two_devices_give_the_weights_of_one():
    (single,), single_log = on(1)
    (first, second), log = on(2)
    assert torch.equal(first, second)
    assert (single - first).abs().max() < 1e-5
    losses = [entry["loss"] for entry in log]
    assert losses == pytest.approx([entry["loss"] for entry in single_log])
    assert log[-1]["validation_accuracy"] == pytest.approx(single_log[-1]["validation_accuracy"])


def test_two_devices_resume_bit_for_bit(tmp_path):
    (first, second), log = on(2, True)
    assert torch.equal(first, second)
    # Between two epochs, and within one, where each device has its own running statistics.
    for name, killed in (("a", (1,)), ("b", (None, KilledWithinEpoch, 0.0))):
        path = tmp_path / name
        # The error is that of the killed process, or of the one that waits for it.
        with pytest.raises(ProcessRaisedException, match=r"Killed|Connection"):
            on(2, True, path, 2, *killed)
        assert path.exists()
        (resumed, _), resumed_log = on(2, True, path)
        assert torch.equal(first, resumed)
        assert log == resumed_log


def write_pid_and_sleep(fabric, folder):
    Path(folder, str(os.getpid())).touch()
    time.sleep(300)


def is_running(pid):
    try:
        return "Z" not in Path(f"/proc/{pid}/status").read_text().split("State:")[1][:4]
    except FileNotFoundError:
        return False


def test_processes_end_with_their_parent(tmp_path):
    code = (
        "from tests.training.test_fabric import fabric_of, run_on_devices, write_pid_and_sleep; "
        f"run_on_devices(fabric_of(devices=2), write_pid_and_sleep, {str(tmp_path)!r})"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT)
    deadline = time.monotonic() + 120
    while len(pids := [int(path.name) for path in tmp_path.iterdir()]) < 2:
        assert time.monotonic() < deadline and parent.poll() is None
        time.sleep(0.1)
    assert all(map(is_running, pids))
    parent.kill()
    parent.wait()
    while any(map(is_running, pids)):
        assert time.monotonic() < deadline
        time.sleep(0.1)


def by_torchrun(number, script, *arguments):
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    return subprocess.run(
        [*command, f"--nproc-per-node={number}", str(script), *map(str, arguments)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_documented_script_trains_the_same_network_with_and_without_torchrun(tmp_path):
    rng, rows = np.random.default_rng(0), []
    for number in range(40):
        pixels = rng.integers(0, 99, (64, 64, 3), dtype=np.uint8)
        pixels[..., number % 3] += 150
        rows.append(
            {"image_id": f"{number}", "image": encode_png(pixels), "label": "abc"[number % 3]}
        )
    write_images(rows, images := tmp_path / "part-0.parquet", sizing=ResizeCrop())
    page = (ROOT / "docs/training.md").read_text()
    (script := tmp_path / "train.py").write_text(re.search(r"```python\n(.*?)```", page, re.S)[1])
    weights = []
    for number in (1, 2):
        (folder := tmp_path / f"on_{number}").mkdir()
        done = by_torchrun(number, script, folder, images)
        assert done.returncode == 0, done.stderr
        network = load_network(folder / "weights.safetensors", folder / "model.json")
        weights.append(parameters_to_vector(network.parameters()))
    assert not torch.equal(*weights), "two processes train on shares of a batch"
    assert (weights[0] - weights[1]).abs().max() < 1e-5


def test_torchrun_must_start_one_process_per_device(tmp_path):
    (script := tmp_path / "script.py").write_text(
        "from shapebias.training.fabric import fabric_of\n"
        "try:\n"
        "    fabric_of()\n"
        "except Exception as error:\n"
        "    print(error)\n"
    )
    done = by_torchrun(2, script)
    assert done.stdout.count("torchrun started 2 processes for `devices: 1`: give both") == 2


def test_batches_that_cannot_be_shared_and_unknown_precisions_are_rejected():
    three = type("Three", (Fabric,), {"world_size": 3})(accelerator="cpu")
    with pytest.raises(ShapebiasError, match=r"`batch: 8` must be a multiple of `devices: 3`"):
        work(three)
    with pytest.raises(UnknownName, match="did you mean 'bfloat16'"):
        fabric_of(precision="bfloat")
