"""A killed training resumes and ends with the weights of an uninterrupted one."""

import math
import os
import subprocess
import sys
import time
from dataclasses import dataclass

import pytest
import torch

from shapebias.attacks import pgd
from shapebias.errors import ShapebiasError
from shapebias.networks.architectures import alexnet
from shapebias.training.recipes import adversarial
from shapebias.training.recipes._base import Recipe
from shapebias.training.resume_state import TrainingState
from shapebias.weights.read import read_weights
from tests.conftest import ROOT
from tests.helpers.training import train

EPOCHS = 5


def run(path, on_epoch=None, every=1, epochs=EPOCHS, identity=None, recipe=None, seconds=1800.0):
    """Weights and log of a network with dropout and a recipe that draws: all states matter."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    model = alexnet.build(classes=list("abc"), input_size=64, width=0.125, stem="small")
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (40, 3, 64, 64), dtype=torch.uint8, generator=generator)
    labels = torch.arange(40) % 3
    attack = pgd.build(norm="l2", eps=0.5, step=0.25, steps=1, random_start=True)
    log = train(
        model,
        images,
        labels,
        recipe=recipe or adversarial.build(attack=attack, warmup=0.5),
        epochs=epochs,
        batch=8,
        learning_rate=1e-3,
        momentum=0.9,
        weight_decay=1e-4,
        schedule="onecycle",
        seed=0,
        augmentation="crop_and_flip",
        validation=(images[:8], labels[:8]),
        state=path
        and TrainingState(path, identity=identity or {"seed": 0}, every=every, seconds=seconds),
        on_epoch=on_epoch,
    )
    for entry in log:
        del entry["images_per_second"]
    return {key: value.clone() for key, value in model.state_dict().items()}, log


@pytest.fixture(scope="module")
def uninterrupted():
    return run(None)


def equal(a, b):
    weights = all(torch.equal(value, b[0][key]) for key, value in a[0].items())
    return weights and a[1] == b[1]


@pytest.mark.parametrize(("epoch", "pause"), [(1, 0.0), (2, 0.05), (4, 0.15)])
def test_a_killed_job_resumes_and_ends_with_the_same_weights(tmp_path, uninterrupted, epoch, pause):
    path = tmp_path / "training_state.pt"
    code = (
        "from tests.training.test_resume_state import run; "
        f"run({str(path)!r}, lambda entry: print(entry['epoch'], flush=True), epochs=5)"
    )
    job = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE)
    for line in job.stdout:
        # Lines of progress are in between.
        if line.strip() == str(epoch).encode():
            break
    # During the next epoch's steps, or while its state is saved.
    time.sleep(pause)
    job.kill()
    job.wait()
    entries = []
    assert equal(run(path, entries.append), uninterrupted)
    assert len(entries) <= EPOCHS - epoch


class Killed(BaseException):
    pass


@pytest.mark.parametrize(
    ("every", "stops"), [(1, [1, 2, 3, 4, 5]), (2, [1, 3, 4]), (3, [2, 5]), (9, [4])]
)
def test_resumes_from_any_epoch(tmp_path, uninterrupted, every, stops):
    path = tmp_path / "training_state.pt"
    for stop in stops:

        def kill(entry, stop=stop):
            if entry["epoch"] == stop:
                raise Killed

        with pytest.raises(Killed):
            run(path, kill, every=every)
    assert equal(run(path, every=every), uninterrupted)


@pytest.mark.parametrize("stop", [0.05, 0.33, 0.71, 0.96])
def test_resumes_within_an_epoch(tmp_path, uninterrupted, stop):
    attack = pgd.build(norm="l2", eps=0.5, step=0.25, steps=1, random_start=True)

    class Stopping(adversarial.Adversarial):
        def loss(self, model, images, labels, *, progress, generator):
            if progress >= stop:
                raise Killed
            return super().loss(model, images, labels, progress=progress, generator=generator)

    path = tmp_path / "training_state.pt"
    recipe = Stopping(attack=attack, warmup=0.5, label_smoothing=0.0)
    with pytest.raises(Killed):
        # Saved after every step but an epoch's last one, after which the epoch is saved.
        run(path, recipe=recipe, seconds=0.0)
    position = torch.load(path, weights_only=True)["position"]
    steps = 5 * len(position["history"]) + position["step"]
    assert steps == math.ceil(stop * 25 - 1e-6)
    assert equal(run(path), uninterrupted)


def test_a_kill_while_saving_leaves_the_state_saved_before(tmp_path, uninterrupted, monkeypatch):
    path = tmp_path / "training_state.pt"
    flush = os.fsync
    files = []

    def truncate(file):
        files.append(file)
        if len(files) == 3:
            os.ftruncate(file, 1000)
            raise Killed
        flush(file)

    monkeypatch.setattr(os, "fsync", truncate)
    with pytest.raises(Killed):
        run(path)
    monkeypatch.undo()
    entries = []
    assert equal(run(path, entries.append), uninterrupted)
    assert [entry["epoch"] for entry in entries] == [3, 4, 5]


def test_a_finished_training_returns_its_weights_again(tmp_path, uninterrupted):
    path = tmp_path / "training_state.pt"
    run(path, every=3)
    entries = []
    assert equal(run(path, entries.append, every=3), uninterrupted)
    assert entries == []
    (tmp_path / ".123.training_state.pt").touch()
    TrainingState(path, identity={}).delete()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("damage", ["identity", "truncated", "pickle"])
def test_damaged_states_and_states_of_other_trainings_are_ignored(
    tmp_path, uninterrupted, capsys, damage
):
    path = tmp_path / "training_state.pt"

    def kill(entry):
        raise Killed

    with pytest.raises(Killed):
        run(path, kill, identity={"seed": 1} if damage == "identity" else None)
    if damage == "truncated":
        path.write_bytes(path.read_bytes()[:5000])
    if damage == "pickle":
        torch.save({"identity": Recipe()}, path)
    assert equal(run(path), uninterrupted)
    output = capsys.readouterr().out
    assert "warning: " in output and "the training starts over" in output


@dataclass(frozen=True)
class Breaking(Recipe):
    """Trains as usual until `since`, and then adds `rise` to the loss."""

    rise: float
    since: float = 0.4

    def loss(self, model, images, labels, *, progress, generator):
        loss = torch.nn.functional.cross_entropy(model(images), labels)
        return loss + (self.rise if progress >= self.since else 0.0), 0


@pytest.mark.parametrize(("rise", "reason"), [(torch.nan, "infinite"), (1e4, "1.1 at chance")])
def test_divergence_stops_after_the_epoch_and_keeps_the_last_good_state(tmp_path, rise, reason):
    path = tmp_path / "training_state.pt"
    with pytest.raises(ShapebiasError, match="diverged in epoch 3") as error:
        run(path, recipe=Breaking(rise))
    text = str(error.value)
    assert reason in text and "`learning_rate`" in text
    assert "\n" not in text
    # The schedule is in use already, and there is no attack.
    assert "onecycle" not in text and "warmup" not in text
    state = torch.load(path, weights_only=True)
    assert len(state["position"]["history"]) == 2
    assert all(torch.isfinite(value).all() for value in state["model"].values())
    # A training with other settings replaces the state, but not the copy.
    (copy,) = tmp_path.glob("before_divergence_*.pt")
    assert str(copy) in text and copy.read_bytes() == path.read_bytes()
    before = read_weights(copy)
    run(path, epochs=1, identity={"learning_rate": 1})
    assert path.read_bytes() != copy.read_bytes()
    assert all(torch.equal(value, before[key]) for key, value in read_weights(copy).items())


def test_a_state_after_a_loss_jump_is_not_saved(tmp_path):
    class Rising(Recipe):
        def loss(self, model, images, labels, *, progress, generator):
            recipe = Breaking(10.0 if progress < 0.6 else 1e4)
            return recipe.loss(model, images, labels, progress=progress, generator=generator)

    path = tmp_path / "training_state.pt"
    with pytest.raises(ShapebiasError, match="diverged in epoch 4"):
        run(path, recipe=Rising())
    assert len(torch.load(path, weights_only=True)["position"]["history"]) == 2


def test_divergence_does_not_name_the_state_of_another_training(tmp_path):
    path = tmp_path / "training_state.pt"
    run(path, epochs=1, identity={"seed": 1})
    with pytest.raises(ShapebiasError, match="diverged in epoch 1") as error:
        run(path, recipe=Breaking(1e4, since=0.0))
    assert "training_state" not in str(error.value)


def test_the_weights_of_a_state_can_be_imported(tmp_path):
    path = tmp_path / "training_state.pt"
    weights, _ = run(path, epochs=1)
    imported = read_weights(path)
    assert "features.0.weight" in imported
    assert all(torch.equal(weights[f"network.{key}"], value) for key, value in imported.items())


def test_a_state_after_a_loss_jump_within_an_epoch_is_not_saved(tmp_path):
    class Jumping(Recipe):
        def loss(self, model, images, labels, *, progress, generator):
            loss = torch.nn.functional.cross_entropy(model(images), labels)
            # From 0.48 on, in the middle of epoch 3: far above chance and still finite.
            return loss + 20 if progress > 0.45 else loss, 0

    path = tmp_path / "training_state.pt"
    positions = []

    def read_position(entry):
        positions.append(torch.load(path, weights_only=True)["position"])

    run(path, read_position, epochs=EPOCHS, recipe=Jumping(), seconds=0.0)
    # The last save was after the second step of epoch 3.
    assert (len(positions[2]["history"]), positions[2]["step"]) == (2, 2)


@pytest.mark.parametrize(("since", "seconds"), [(0.55, 1800.0), (0.45, 0.0)])
def test_weights_that_break_before_the_loss_are_not_saved(tmp_path, since, seconds):
    class Poisoned(Recipe):
        def loss(self, model, images, labels, *, progress, generator):
            loss = torch.nn.functional.cross_entropy(model(images), labels)
            if progress > since:
                loss.register_hook(lambda gradient: gradient * torch.inf)
            return loss, 0

    path = tmp_path / "training_state.pt"
    # At 0.48, in the middle of epoch 3, or at 0.56, in its last step.
    with pytest.raises(ShapebiasError, match="diverged in epoch 3"):
        run(path, recipe=Poisoned(), seconds=seconds)
    state = torch.load(path, weights_only=True)
    assert len(state["position"]["history"]) == 2
    assert all(torch.isfinite(value).all() for value in state["model"].values())
