"""A training that is killed goes on, and ends as one that was not."""

import math
import os
import subprocess
import sys
import time

import pytest
import torch

from shapebias.attacks import pgd
from shapebias.errors import ShapebiasError
from shapebias.networks.architectures import alexnet
from shapebias.training.loop import train
from shapebias.training.recipes import adversarial
from shapebias.training.recipes._base import Recipe
from shapebias.training.resume_state import TrainingState
from shapebias.weights.read import read_weights
from tests.conftest import ROOT

EPOCHS = 5


def run(path, progress=None, every=1, epochs=EPOCHS, identity=None, recipe=None, seconds=1800.0):
    """A network with dropout, whose recipe draws too: every random state matters."""
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
        progress=progress,
    )
    for entry in log:
        del entry["images_per_second"]
    return {key: value.clone() for key, value in model.state_dict().items()}, log


@pytest.fixture(scope="module")
def undisturbed():
    return run(None)


def equal(one, other):
    weights = all(torch.equal(value, other[0][key]) for key, value in one[0].items())
    return weights and one[1] == other[1]


@pytest.mark.parametrize(("epoch", "pause"), [(1, 0.0), (2, 0.05), (4, 0.15)])
def test_a_killed_job_ends_as_one_that_was_not(tmp_path, undisturbed, epoch, pause):
    path = tmp_path / "training_state.pt"
    code = (
        "from tests.training.test_resume_state import run; "
        f"run({str(path)!r}, lambda entry: print(entry['epoch'], flush=True), epochs=5)"
    )
    job = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE)
    for line in job.stdout:
        # Between them the log tells how many images are done.
        if line.strip() == str(epoch).encode():
            break
    # Into the next epoch's steps, or into the saving of its state.
    time.sleep(pause)
    job.kill()
    job.wait()
    seen = []
    assert equal(run(path, seen.append), undisturbed)
    assert len(seen) <= EPOCHS - epoch


class Killed(BaseException):
    pass


@pytest.mark.parametrize(
    ("every", "stops"), [(1, [1, 2, 3, 4, 5]), (2, [1, 3, 4]), (3, [2, 5]), (9, [4])]
)
def test_wherever_it_stops(tmp_path, undisturbed, every, stops):
    path = tmp_path / "training_state.pt"
    for stop in stops:

        def kill(entry, stop=stop):
            if entry["epoch"] == stop:
                raise Killed

        with pytest.raises(Killed):
            run(path, kill, every=every)
    assert equal(run(path, every=every), undisturbed)


@pytest.mark.parametrize("stop", [0.05, 0.33, 0.71, 0.96])
def test_in_the_midst_of_an_epoch(tmp_path, undisturbed, stop):
    attack = pgd.build(norm="l2", eps=0.5, step=0.25, steps=1, random_start=True)

    class Stopping(adversarial.Adversarial):
        def loss(self, model, images, labels, *, done, generator):
            if done >= stop:
                raise Killed
            return super().loss(model, images, labels, done=done, generator=generator)

    path = tmp_path / "training_state.pt"
    recipe = Stopping(attack=attack, warmup=0.5, label_smoothing=0.0)
    with pytest.raises(Killed):
        # Saved after every step but an epoch's last, with which the epoch itself is saved.
        run(path, recipe=recipe, seconds=0.0)
    kept = torch.load(path, weights_only=True)["position"]
    steps = 5 * len(kept["history"]) + kept["step"]
    assert steps == math.ceil(stop * 25 - 1e-6)
    assert equal(run(path), undisturbed)


def test_a_kill_while_saving_leaves_the_state_before(tmp_path, undisturbed, monkeypatch):
    path = tmp_path / "training_state.pt"
    flush = os.fsync
    saved = []

    def torn(file):
        saved.append(file)
        if len(saved) == 3:
            os.ftruncate(file, 1000)
            raise Killed
        flush(file)

    monkeypatch.setattr(os, "fsync", torn)
    with pytest.raises(Killed):
        run(path)
    monkeypatch.undo()
    seen = []
    assert equal(run(path, seen.append), undisturbed)
    assert [entry["epoch"] for entry in seen] == [3, 4, 5]


def test_a_finished_training_gives_its_weights_again(tmp_path, undisturbed):
    path = tmp_path / "training_state.pt"
    run(path, every=3)
    seen = []
    assert equal(run(path, seen.append, every=3), undisturbed)
    assert seen == []
    (tmp_path / ".123.training_state.pt").touch()
    TrainingState(path, identity={}).discard()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("damage", ["other", "torn", "pickle"])
def test_a_state_that_does_not_fit_is_not_gone_on_with(tmp_path, undisturbed, capsys, damage):
    path = tmp_path / "training_state.pt"

    def kill(entry):
        raise Killed

    with pytest.raises(Killed):
        run(path, kill, identity={"seed": 1} if damage == "other" else None)
    if damage == "torn":
        path.write_bytes(path.read_bytes()[:5000])
    if damage == "pickle":
        torch.save({"identity": Recipe()}, path)
    assert equal(run(path), undisturbed)
    assert "begins anew" in capsys.readouterr().out


class Breaking(Recipe):
    """Learns for two epochs, and then breaks."""

    def __init__(self, rise, since=0.4):
        self.rise, self.since = rise, since

    def loss(self, model, images, labels, *, done, generator):
        loss = torch.nn.functional.cross_entropy(model(images), labels)
        return loss + (self.rise if done >= self.since else 0.0), 0


@pytest.mark.parametrize(("rise", "reason"), [(torch.nan, "finite"), (1e4, "guessing has 1.1")])
def test_divergence_stops_with_the_epoch_and_keeps_the_last_good_state(tmp_path, rise, reason):
    path = tmp_path / "training_state.pt"
    with pytest.raises(ShapebiasError, match="diverged in epoch 3") as error:
        run(path, recipe=Breaking(rise))
    text = str(error.value)
    assert reason in text and "`learning_rate`" in text
    assert "\n" not in text
    # The schedule is set already, and there is no attack.
    assert "onecycle" not in text and "warmup" not in text
    kept = torch.load(path, weights_only=True)
    assert len(kept["position"]["history"]) == 2
    assert all(torch.isfinite(value).all() for value in kept["model"].values())
    # A training with other settings replaces the state, and leaves what was kept.
    (copy,) = tmp_path.glob("before_divergence_*.pt")
    assert str(copy) in text and copy.read_bytes() == path.read_bytes()
    before = read_weights(copy)
    run(path, epochs=1, identity={"learning_rate": 1})
    assert path.read_bytes() != copy.read_bytes()
    assert all(torch.equal(value, before[key]) for key, value in read_weights(copy).items())


def test_a_state_on_the_way_to_divergence_is_not_kept(tmp_path):
    class Rising(Breaking):
        def loss(self, model, images, labels, *, done, generator):
            self.rise = 10.0 if done < 0.6 else 1e4
            return super().loss(model, images, labels, done=done, generator=generator)

    path = tmp_path / "training_state.pt"
    with pytest.raises(ShapebiasError, match="diverged in epoch 4"):
        run(path, recipe=Rising(10.0))
    assert len(torch.load(path, weights_only=True)["position"]["history"]) == 2


def test_the_state_of_another_training_is_not_offered_after_divergence(tmp_path):
    path = tmp_path / "training_state.pt"
    run(path, epochs=1, identity={"seed": 1})
    with pytest.raises(ShapebiasError, match="diverged in epoch 1") as error:
        run(path, recipe=Breaking(1e4, since=0.0))
    assert "training_state" not in str(error.value)


def test_the_weights_of_a_kept_state_can_be_imported(tmp_path):
    path = tmp_path / "training_state.pt"
    weights, _ = run(path, epochs=1)
    found = read_weights(path)
    assert "features.0.weight" in found
    assert all(torch.equal(weights[f"network.{key}"], value) for key, value in found.items())


def test_a_loss_that_leaps_within_an_epoch_is_not_saved(tmp_path):
    class Leaping(Recipe):
        def loss(self, model, images, labels, *, done, generator):
            loss = torch.nn.functional.cross_entropy(model(images), labels)
            # From 0.48 on, in the midst of epoch 3: far above guessing and not yet infinite.
            return loss + 20 if done > 0.45 else loss, 0

    path = tmp_path / "training_state.pt"
    seen = []

    def tell(entry):
        seen.append(torch.load(path, weights_only=True)["position"])

    run(path, tell, epochs=EPOCHS, recipe=Leaping(), seconds=0.0)
    # The last saving was after the second step of epoch 3; so it is before its end.
    assert (len(seen[2]["history"]), seen[2]["step"]) == (2, 2)


@pytest.mark.parametrize(("since", "seconds"), [(0.55, 1800.0), (0.45, 0.0)])
def test_weights_that_break_before_the_loss_are_not_saved(tmp_path, since, seconds):
    class Poisoned(Recipe):
        def loss(self, model, images, labels, *, done, generator):
            loss = torch.nn.functional.cross_entropy(model(images), labels)
            if done > since:
                loss.register_hook(lambda gradient: gradient * torch.inf)
            return loss, 0

    path = tmp_path / "training_state.pt"
    # At 0.48, in the midst of epoch 3, or at 0.56, in its last step.
    with pytest.raises(ShapebiasError, match="diverged in epoch 3"):
        run(path, recipe=Poisoned(), seconds=seconds)
    kept = torch.load(path, weights_only=True)
    assert len(kept["position"]["history"]) == 2
    assert all(torch.isfinite(value).all() for value in kept["model"].values())
