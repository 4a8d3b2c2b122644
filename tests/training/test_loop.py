import jaxtyping
import pytest
import torch
from torch import nn

from shapebias.attacks import pgd
from shapebias.errors import ShapebiasError
from shapebias.networks.architectures import alexnet, resnet
from shapebias.training.fabric import fabric_of
from shapebias.training.recipes import adversarial, standard
from shapebias.training.recipes._base import Recipe
from shapebias.training.schedules import SCHEDULES
from tests.helpers.training import measure_accuracy, train

SETTINGS = {
    "epochs": 2,
    "batch": 8,
    "learning_rate": 0.02,
    "momentum": 0.9,
    "weight_decay": 1e-4,
    "schedule": "onecycle",
    "seed": 0,
}


def data(count=36, size=32):
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 80, (count, 3, size, size), dtype=torch.uint8, generator=generator)
    labels = torch.arange(count) % 3
    # The class is a colour: easy to learn in two epochs.
    images[torch.arange(count), labels] += 150
    return images, labels


def network(build=resnet.build, **settings):
    torch.manual_seed(0)
    return build(classes=list("abc"), input_size=32, width=0.125, **settings)


def attack():
    return pgd.build(norm="l2", eps=0.5, step=0.25, steps=2, random_start=True)


def recipes():
    return {
        "standard": standard.build(),
        "adversarial": adversarial.build(attack=attack(), warmup=0.5),
    }


def weights(model):
    return torch.cat([value.flatten().float() for value in model.state_dict().values()])


@pytest.mark.parametrize("recipe", recipes())
def test_same_seed_same_weights(recipe):
    def trained(**changes):
        model = network(alexnet.build, stem="small")
        log = train(
            model,
            *data(size=64),
            recipe=recipes()[recipe],
            **{**SETTINGS, "learning_rate": 1e-3, **changes},
        )
        for entry in log:
            del entry["images_per_second"]
        return weights(model), log

    # The global generator's state has no effect, although dropout draws from it.
    torch.manual_seed(1)
    first, first_log = trained()
    torch.manual_seed(2)
    second, second_log = trained()
    assert torch.equal(first, second)
    assert first_log == second_log
    assert not torch.equal(first, trained(seed=1)[0])
    assert not torch.equal(first, trained(augmentation="crop_and_flip")[0])


def test_momentum_is_plain_unless_nesterov_is_set():
    """Three steps by hand: the velocity decays by the momentum and collects the gradients."""
    images, labels = data(count=8)

    def gradients(model):
        model.zero_grad()
        nn.functional.cross_entropy(model(images.float() / 255), labels).backward()
        return [parameter.grad.clone() for parameter in model.parameters()]

    class Linear(nn.Module):
        def __init__(self):
            super().__init__()
            torch.manual_seed(0)
            self.last = nn.Linear(3, 3)

        def forward(self, pixels):
            return self.last(pixels.mean((2, 3)))

    def by_hand(nesterov, steps=3, rate=0.1, momentum=0.9):
        model = Linear()
        velocities = [torch.zeros_like(parameter) for parameter in model.parameters()]
        for _ in range(steps):
            slopes = gradients(model)
            with torch.no_grad():
                for parameter, velocity, slope in zip(
                    model.parameters(), velocities, slopes, strict=True
                ):
                    velocity.mul_(momentum).add_(slope)
                    step = slope + momentum * velocity if nesterov else velocity
                    parameter.sub_(rate * step)
        return weights(model)

    changes = {"epochs": 3, "learning_rate": 0.1, "weight_decay": 0.0, "schedule": "constant"}
    for nesterov in (False, True):
        model = Linear()
        if nesterov:
            changes["nesterov"] = True
        train(model, images, labels, recipe=standard.build(), **{**SETTINGS, **changes})
        torch.testing.assert_close(weights(model), by_hand(nesterov), rtol=1e-5, atol=1e-6)
    assert not torch.allclose(by_hand(False), by_hand(True), atol=1e-4)


@pytest.mark.parametrize("correct", [0, 8])
def test_a_network_at_chance_after_the_training_gives_a_warning(capsys, correct):
    class Constant(Recipe):
        def loss(self, model, images, labels, *, progress, generator):
            return nn.functional.cross_entropy(model(images), labels), correct

    train(network(depth=18), *data(), recipe=Constant(), on_epoch=str, **SETTINGS)
    message = "warning: after 2 epochs the network is at chance among 3 classes; lower"
    assert (message in capsys.readouterr().out) == (correct == 0)


def test_leaves_the_global_generator_unchanged():
    model = network(depth=18)
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    train(model, *data(), recipe=standard.build(), **SETTINGS)
    assert torch.equal(torch.rand(3), expected)


@pytest.mark.parametrize("recipe", recipes())
def test_learns_and_reports_every_epoch(recipe):
    model, entries = network(depth=18), []
    settings = {**SETTINGS, "epochs": 8}
    images, labels = data(96)
    log = train(
        model,
        images,
        labels,
        recipe=recipes()[recipe],
        validation=(images, labels),
        on_epoch=entries.append,
        **settings,
    )
    assert log == entries
    assert [entry["epoch"] for entry in log] == list(range(1, 9))
    assert log[-1]["loss"] < log[0]["loss"]
    assert log[-1]["validation_accuracy"] == measure_accuracy(model, images, labels) > 0.9
    under_attack = measure_accuracy(model, images, labels, attack=attack())
    assert under_attack <= log[-1]["validation_accuracy"]


def test_warmup_increases_the_attack():
    batches = []

    class Spy(nn.Module):
        def forward(self, images):
            batches.append(images)
            return torch.zeros(len(images), 3, requires_grad=True)

    recipe = adversarial.build(
        attack=lambda model, images, labels, generator: images + 0.4, warmup=0.5
    )
    images, labels = torch.zeros(2, 3, 4, 4), torch.tensor([0, 1])
    for progress in (0.0, 0.25, 0.5, 1.0):
        recipe.loss(Spy(), images, labels, progress=progress, generator=torch.Generator())
    assert [round(float(images.max()), 6) for images in batches] == [0.0, 0.1, 0.4, 0.4]


def test_a_first_loss_that_is_nan_stops_the_training():
    class Broken(Recipe):
        def loss(self, model, images, labels, *, progress, generator):
            return model(images).sum() * torch.nan, 0

    with pytest.raises(ShapebiasError, match=r"first step of epoch 1, before any update") as error:
        train(network(depth=18), *data(), recipe=Broken(), **SETTINGS)
    assert "\n" not in str(error.value)
    assert "`learning_rate`" not in str(error.value)


def test_divergence_hints_name_the_settings_that_are_not_in_use():
    recipe = adversarial.build(attack=lambda model, images, labels, generator: images)
    settings = {**SETTINGS, "schedule": "constant", "learning_rate": 1e6}
    with pytest.raises(ShapebiasError, match="diverged in epoch 1") as error:
        train(network(depth=18), *data(), recipe=recipe, **settings)
    for hint in ("lower `learning_rate`", "`schedule: onecycle`", "`warmup`"):
        assert hint in str(error.value)


def test_too_few_images_and_unknown_schedules_are_rejected():
    with pytest.raises(ShapebiasError, match="fewer"):
        train(network(depth=18), *data(4), recipe=standard.build(), **SETTINGS)
    with pytest.raises(ShapebiasError, match="cosine"):
        train(
            network(depth=18),
            *data(),
            recipe=standard.build(),
            **{**SETTINGS, "schedule": "cosin"},
        )


def test_schedules():
    for schedule in SCHEDULES.values():
        values = [schedule(step / 100) for step in range(100)]
        assert 0.99 < max(values) <= 1
        assert min(values) > 0
    assert [SCHEDULES["steps"](progress) for progress in (0.1, 0.4, 0.9)] == pytest.approx(
        [1, 0.1, 0.01]
    )


def test_precision_and_layout_are_settings():
    def trained(**changes):
        model = network(depth=18)
        # Slow enough for the loss to stay near its first value.
        settings = {**SETTINGS, "epochs": 1, "learning_rate": 1e-5, **changes}
        log = train(model, *data(), recipe=recipes()["standard"], **settings)
        assert all(parameter.dtype == torch.float32 for parameter in model.parameters())
        return weights(model), log[0]["loss"]

    float32, loss = trained()
    bfloat16, bfloat16_loss = trained(fabric=fabric_of(precision="bfloat16"))
    assert not torch.equal(float32, bfloat16)
    assert bfloat16_loss == pytest.approx(loss, rel=0.05)
    _, channels_first_loss = trained(channels_last=False)
    assert channels_first_loss == pytest.approx(loss, rel=1e-3)


@pytest.mark.parametrize("recipe", recipes())
def test_a_compiled_training_is_the_same(monkeypatch, recipe):
    compile_ = nn.Module.compile
    # Trace only: compiling would take a minute.
    monkeypatch.setattr(nn.Module, "compile", lambda self: compile_(self, backend="eager"))
    # Tensors have no values while they are traced.
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    settings = {**SETTINGS, "epochs": 1, "learning_rate": 1e-5}
    both = []
    for compiled in (False, True):
        model = network(alexnet.build, stem="small", dropout=0.0)
        images, labels = data(size=64)
        train(model, images, labels, recipe=recipes()[recipe], compiled=compiled, **settings)
        assert model._compiled_call_impl is None
        both.append(weights(model))
    assert torch.allclose(*both, atol=1e-5)


def test_only_the_last_layer_is_trained():
    model = network(depth=18)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    train(model, *data(), recipe=standard.build(), trainable="last_layer", **SETTINGS)
    changed = {key for key, value in model.state_dict().items() if not before[key].equal(value)}
    assert changed == {"network.fc.weight", "network.fc.bias"}
    assert all(parameter.requires_grad for parameter in model.parameters())
    with pytest.raises(ShapebiasError, match="did you mean 'last_layer'"):
        train(model, *data(), recipe=standard.build(), trainable="last_layers", **SETTINGS)


def test_a_single_value_per_channel_of_a_batch_norm_is_an_error():
    model = network(depth=18)
    with pytest.raises(ShapebiasError, match=r"one value per channel .* larger `batch`") as caught:
        train(model, *data(), recipe=standard.build(), **SETTINGS | {"batch": 1})
    assert "\n" not in str(caught.value)
