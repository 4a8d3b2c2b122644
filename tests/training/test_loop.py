import pytest
import torch
from torch import nn

from shapebias.attacks import pgd
from shapebias.errors import ShapebiasError
from shapebias.networks.architectures import alexnet, resnet
from shapebias.training.fabric import fabric_of
from shapebias.training.loop import train
from shapebias.training.recipes import adversarial, standard
from shapebias.training.recipes._base import Recipe
from shapebias.training.schedules import SCHEDULES
from shapebias.training.validation import accuracy

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

    # What the global generator gives is of no matter, though dropout draws from one.
    torch.manual_seed(1)
    first, log = trained()
    torch.manual_seed(2)
    second, same_log = trained()
    assert torch.equal(first, second)
    assert log == same_log
    assert not torch.equal(first, trained(seed=1)[0])
    assert not torch.equal(first, trained(augmentation="crop_and_flip")[0])


def test_momentum_is_plain_unless_nesterov_is_asked_for():
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
        chosen = {"nesterov": True} if nesterov else {}
        train(model, images, labels, recipe=standard.build(), **{**SETTINGS, **changes, **chosen})
        torch.testing.assert_close(weights(model), by_hand(nesterov), rtol=1e-5, atol=1e-6)
    assert not torch.allclose(by_hand(False), by_hand(True), atol=1e-4)


@pytest.mark.parametrize("right", [0, 8])
def test_what_has_learnt_nothing_is_told(capsys, right):
    class Guessing(Recipe):
        def loss(self, model, images, labels, *, done, generator):
            return nn.functional.cross_entropy(model(images), labels), right

    train(network(depth=18), *data(), recipe=Guessing(), progress=str, **SETTINGS)
    said = "WARNING: after 2 epochs the network is no better than guessing among 3 classes; lower"
    assert (said in capsys.readouterr().out) == (right == 0)


def test_leaves_the_global_generator():
    model = network(depth=18)
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    train(model, *data(), recipe=standard.build(), **SETTINGS)
    assert torch.equal(torch.rand(3), expected)


@pytest.mark.parametrize("recipe", recipes())
def test_learns_and_tells(recipe):
    model, seen = network(depth=18), []
    settings = {**SETTINGS, "epochs": 8}
    images, labels = data(96)
    log = train(
        model,
        images,
        labels,
        recipe=recipes()[recipe],
        validation=(images, labels),
        progress=seen.append,
        **settings,
    )
    assert log == seen
    assert [entry["epoch"] for entry in log] == list(range(1, 9))
    assert log[-1]["loss"] < log[0]["loss"]
    assert log[-1]["validation_accuracy"] == accuracy(model, images, labels) > 0.9
    assert accuracy(model, images, labels, attack=attack()) <= log[-1]["validation_accuracy"]


def test_adversarial_trains_on_attacked_images_that_grow():
    seen = []

    class Spy(nn.Module):
        def forward(self, images):
            seen.append(images)
            return torch.zeros(len(images), 3, requires_grad=True)

    recipe = adversarial.build(
        attack=lambda model, images, labels, generator: images + 0.4, warmup=0.5
    )
    images, labels = torch.zeros(2, 3, 4, 4), torch.tensor([0, 1])
    for done in (0.0, 0.25, 0.5, 1.0):
        recipe.loss(Spy(), images, labels, done=done, generator=torch.Generator())
    assert [round(float(images.max()), 6) for images in seen] == [0.0, 0.1, 0.4, 0.4]


def test_a_diverging_training_stops_with_one_line():
    class Broken(Recipe):
        def loss(self, model, images, labels, *, done, generator):
            return model(images).sum() * torch.nan, 0

    with pytest.raises(ShapebiasError, match=r"first step of epoch 1.*no weight has") as error:
        train(network(depth=18), *data(), recipe=Broken(), **SETTINGS)
    assert "\n" not in str(error.value)
    assert "`learning_rate`" not in str(error.value)


def test_a_diverging_training_is_advised_what_is_not_done_yet():
    recipe = adversarial.build(attack=lambda model, images, labels, generator: images)
    settings = {**SETTINGS, "schedule": "constant", "learning_rate": 1e6}
    with pytest.raises(ShapebiasError, match="diverged in epoch 1") as error:
        train(network(depth=18), *data(), recipe=recipe, **settings)
    told = ("lower `learning_rate`", "`schedule: onecycle`", "`warmup`")
    assert all(words in str(error.value) for words in told)


def test_refuses_too_few_images_and_unknown_schedules():
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
        values = [schedule(done / 100) for done in range(100)]
        assert 0.99 < max(values) <= 1
        assert min(values) > 0
    assert [SCHEDULES["steps"](done) for done in (0.1, 0.4, 0.9)] == pytest.approx([1, 0.1, 0.01])


def test_precision_and_layout_are_settings():
    def trained(**changes):
        model = network(depth=18)
        # So slow that the loss stays near the first one.
        settings = {**SETTINGS, "epochs": 1, "learning_rate": 1e-5, **changes}
        log = train(model, *data(), recipe=recipes()["standard"], **settings)
        assert all(parameter.dtype == torch.float32 for parameter in model.parameters())
        return weights(model), log[0]["loss"]

    plain, loss = trained()
    rough, rough_loss = trained(fabric=fabric_of(precision="bfloat16"))
    assert not torch.equal(plain, rough)
    assert rough_loss == pytest.approx(loss, rel=0.05)
    _, other_loss = trained(channels_last=False)
    assert other_loss == pytest.approx(loss, rel=1e-3)


@pytest.mark.parametrize("recipe", recipes())
def test_a_compiled_training_is_the_same(monkeypatch, recipe):
    compile_ = nn.Module.compile
    # What is traced is run as it is: to compile it would take a minute.
    monkeypatch.setattr(nn.Module, "compile", lambda self: compile_(self, backend="eager"))
    settings = {**SETTINGS, "epochs": 1, "learning_rate": 1e-5}
    found = []
    for compiled in (False, True):
        model = network(alexnet.build, stem="small", dropout=0.0)
        images, labels = data(size=64)
        train(model, images, labels, recipe=recipes()[recipe], compiled=compiled, **settings)
        assert model._compiled_call_impl is None
        found.append(weights(model))
    assert torch.allclose(*found, atol=1e-5)


def test_the_last_layer_alone():
    model = network(depth=18)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    train(model, *data(), recipe=standard.build(), trainable="last_layer", **SETTINGS)
    changed = {key for key, value in model.state_dict().items() if not before[key].equal(value)}
    assert changed == {"network.fc.weight", "network.fc.bias"}
    assert all(parameter.requires_grad for parameter in model.parameters())
    with pytest.raises(ShapebiasError, match="did you mean 'last_layer'"):
        train(model, *data(), recipe=standard.build(), trainable="last_layers", **SETTINGS)


def test_a_batch_of_one_on_the_smallest_maps_is_told():
    model = network(depth=18)
    with pytest.raises(ShapebiasError, match=r"one value a channel .* a larger `batch`") as caught:
        train(model, *data(), recipe=standard.build(), **SETTINGS | {"batch": 1})
    assert "\n" not in str(caught.value)
