"""A training on two devices: the same weights as on one, and the same after a kill."""

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
from shapebias.training.fabric import fabric_of, run_on_devices
from shapebias.training.loop import train
from shapebias.training.recipes import adversarial, standard
from shapebias.training.resume_state import TrainingState
from tests.conftest import ROOT

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


class KilledOnTheWay(TrainingState):
    """A state whose training is killed in the midst of its second epoch, just after a saving."""

    def save(self, *arguments):
        super().save(*arguments)
        position = arguments[-1]
        if len(position.history) == 1 and position.step == 2:
            raise Killed


def work(fabric, norms=False, path=None, epochs=2, stop=None, saved=TrainingState, seconds=1800.0):
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

    def tell(entry):
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
        state=path and saved(path, identity={}, seconds=seconds),
        progress=tell,
        fabric=fabric,
        epochs=epochs,
        **SETTINGS,
    )
    for entry in log:
        del entry["images_per_second"]
    weights = torch.cat([value.flatten().float() for value in model.parameters()]).detach().cpu()
    both = [weights]
    if fabric.world_size > 1:
        both = list(fabric.all_gather(weights))
    return both, log


def on(devices, *arguments):
    return run_on_devices(fabric_of(devices=devices), work, *arguments)


def test_two_devices_end_as_one():
    (one,), log = on(1)
    (first, second), same_log = on(2)
    assert torch.equal(first, second)
    assert (one - first).abs().max() < 1e-5
    assert [entry["loss"] for entry in log] == pytest.approx([entry["loss"] for entry in same_log])
    assert log[-1]["validation_accuracy"] == pytest.approx(same_log[-1]["validation_accuracy"])


def test_two_devices_go_on_as_if_nothing_had_been(tmp_path):
    (first, second), log = on(2, True)
    assert torch.equal(first, second)
    # Between two epochs, and within one, where running statistics are each device's own.
    for name, killed in (("a", (1,)), ("b", (None, KilledOnTheWay, 0.0))):
        path = tmp_path / name
        # Told of the process that was killed, or of the one that waits for it.
        with pytest.raises(ProcessRaisedException, match=r"Killed|Connection"):
            on(2, True, path, 2, *killed)
        assert path.exists()
        (again, _), same_log = on(2, True, path)
        assert torch.equal(first, again)
        assert log == same_log


def note_and_sleep(fabric, folder):
    Path(folder, str(os.getpid())).touch()
    time.sleep(300)


def is_running(pid):
    try:
        return "Z" not in Path(f"/proc/{pid}/status").read_text().split("State:")[1][:4]
    except FileNotFoundError:
        return False


def test_processes_end_with_the_one_that_started_them(tmp_path):
    code = (
        "from tests.training.test_fabric import fabric_of, launched, note_and_sleep; "
        f"launched(fabric_of(devices=2), note_and_sleep, {str(tmp_path)!r})"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT)
    until = time.monotonic() + 120
    while len(pids := [int(path.name) for path in tmp_path.iterdir()]) < 2:
        assert time.monotonic() < until and parent.poll() is None
        time.sleep(0.1)
    assert all(map(is_running, pids))
    parent.kill()
    parent.wait()
    while any(map(is_running, pids)):
        assert time.monotonic() < until
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


def test_the_page_s_script_trains_the_same_network_under_torchrun_and_alone(tmp_path):
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
    assert not torch.equal(*weights), "the second was trained on shares"

    assert (weights[0] - weights[1]).abs().max() < 1e-5


def test_torchrun_must_start_as_many_processes_as_devices(tmp_path):
    (script := tmp_path / "one.py").write_text(
        "from shapebias.training.fabric import fabric_of\n"
        "try:\n"
        "    fabric_of()\n"
        "except Exception as error:\n"
        "    print(error)\n"
    )
    done = by_torchrun(2, script)
    assert done.stdout.count("torchrun started 2 processes for `devices: 1`: give both") == 2


def test_what_cannot_be_is_told():
    with pytest.raises(ShapebiasError, match="shared equally by 3"):
        work(type("Three", (), {"world_size": 3, "device": torch.device("cpu")}))
    with pytest.raises(UnknownName, match="did you mean 'bfloat16'"):
        fabric_of(precision="bfloat")
