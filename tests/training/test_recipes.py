"""Recipes: the two norms of AdvProp, and the training that stops early."""

import copy

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from shapebias.attacks import pgd
from shapebias.errors import ShapebiasError, UnknownName
from shapebias.networks.architectures import alexnet
from shapebias.networks.auxiliary_batch_norm import (
    add_auxiliary_norms,
    auxiliary_norms,
    weights_with_norm,
)
from shapebias.networks.checkpoints import load_network, save_network
from shapebias.networks.import_weights import load_weights
from shapebias.plugins import build
from shapebias.training.recipes import advprop, underfit
from tests.helpers.training import measure_accuracy, train

SMALL = {"kind": "resnet", "depth": 18, "width": 0.125, "stem": "small"}
SETTINGS = {
    "epochs": 2,
    "batch": 12,
    "learning_rate": 0.02,
    "momentum": 0.9,
    "weight_decay": 1e-4,
    "schedule": "onecycle",
    "seed": 0,
}


def network():
    torch.manual_seed(0)
    return build("architectures", classes=list("abc"), input_size=32, **SMALL)


def data(count=48):
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 80, (count, 3, 32, 32), dtype=torch.uint8, generator=generator)
    labels = torch.arange(count) % 3
    images[torch.arange(count), labels] += 150
    return images, labels


def attack():
    return pgd.build(norm="l2", eps=2.0, step=1.0, steps=2)


def trained(norm="main"):
    model, labelled = network(), data()
    recipe = advprop.build(attack=attack(), norm=norm)
    log = train(model, *labelled, recipe=recipe, validation=labelled, **SETTINGS)
    return model, log


class TwoNorms(nn.Module):
    """The published implementation in short: a pair of norms that looks up which one to use."""

    which = "main"

    def __init__(self, norm):
        super().__init__()
        self.main, self.auxiliary = norm, copy.deepcopy(norm)

    def forward(self, images):
        return getattr(self, self.which)(images)


def test_a_step_equals_the_published_one(monkeypatch):
    images, labels = data(12)
    images = images / 255
    ours = network().network.train()
    theirs = network().network.train()
    for name, module in list(theirs.named_modules()):
        if isinstance(module, nn.BatchNorm2d):
            theirs.set_submodule(name, TwoNorms(module))

    def shifted(model, images, labels, generator):
        return images.flip(3) * 0.5

    recipe = advprop.build(attack=shifted)
    recipe.prepare(ours)
    loss, right = recipe.loss(ours, images, labels, progress=0.0, generator=torch.Generator())
    clean = theirs(images)
    monkeypatch.setattr(TwoNorms, "which", "auxiliary")
    other = cross_entropy(theirs(shifted(None, images, labels, None)), labels)
    expected = cross_entropy(clean, labels) + other
    assert torch.allclose(loss, expected, rtol=1e-5)
    assert right == int((clean.argmax(dim=1) == labels).sum())
    loss.backward()
    expected.backward()
    norm, norms = ours.layer2[0].bn1, theirs.layer2[0].bn1
    for actual, reference in ((norm, norms.main), (norm.aux_bn, norms.auxiliary)):
        assert torch.allclose(actual.weight.grad, reference.weight.grad, rtol=1e-3, atol=1e-6)
        assert torch.allclose(actual.running_mean, reference.running_mean, rtol=1e-4, atol=1e-6)
    assert not torch.allclose(norm.running_mean, norm.aux_bn.running_mean)
    gradients = ours.conv1.weight.grad, theirs.conv1.weight.grad
    assert torch.allclose(*gradients, rtol=1e-3, atol=1e-5)


def test_the_attack_runs_on_the_auxiliary_norms_in_eval_mode():
    model = network().train()
    recipe = advprop.build(attack=attack())
    recipe.prepare(model)
    for value in model.network.bn1.aux_bn.parameters():
        nn.init.constant_(value, 0.3)
    norm_weights = []
    images, labels = data(6)

    def spying(folded, images, labels, generator):
        norm_weights.append(model.network.bn1.weight.clone())
        with auxiliary_norms(model), torch.no_grad():
            # The recipe has already swapped the norms: this swaps them back.
            assert not torch.allclose(folded(images), model.eval()(images), atol=1e-3)
        with torch.no_grad():
            assert torch.allclose(folded(images), model(images), atol=1e-4)
        model.train()
        before = [value.clone() for value in model.buffers()]
        attacked = attack()(folded, images, labels, generator=generator)
        assert all(map(torch.equal, before, model.buffers()))
        return attacked

    spy = advprop.build(attack=spying)
    spy.loss(model, images / 255, labels, progress=0.0, generator=torch.Generator())
    assert torch.allclose(norm_weights[0], torch.tensor(0.3))
    assert torch.equal(model.network.bn1.weight, torch.ones(8))


def test_the_saved_network_holds_both_norms_and_loading_selects_one(tmp_path):
    model, _ = trained()
    model.eval().double()
    files = tmp_path / "weights.safetensors", tmp_path / "model.json"
    images = data(6)[0].double() / 255
    with torch.no_grad():
        main = model(images)
        with auxiliary_norms(model):
            auxiliary = model(images)
        assert torch.equal(model(images), main)
        assert not torch.allclose(main, auxiliary)
        for norm, expected in (("main", main), ("auxiliary", auxiliary)):
            save_network(model, *files, architecture=SMALL, provenance={}, norm=norm)
            assert torch.allclose(load_network(*files).double()(images), expected)
            # Either norm can be loaded, whatever the network was saved with.
            assert torch.allclose(load_network(*files, norm="main").double()(images), main)
        plain = load_network(*files, norm="auxiliary").double()
        assert torch.allclose(plain(images), auxiliary)
    assert plain.state_dict().keys() == network().state_dict().keys()


@pytest.mark.parametrize("layout", ["published", "timm"])
@pytest.mark.parametrize("norm", ["main", "auxiliary"])
def test_published_files_with_two_norms(tmp_path, layout, norm):
    model, _ = trained()
    state = model.network.state_dict()
    if layout == "timm":
        state = {key.replace(".aux_bn.", ".aux_bn.0."): value for key, value in state.items()}
    path = tmp_path / "advprop.pt"
    torch.save({"state_dict": {f"module.{key}": value for key, value in state.items()}}, path)
    plain = network().eval()
    assert load_weights(plain, path, norm=norm)["norm"] == norm
    plain.double()
    images = data(6)[0].double() / 255
    model.eval().double()
    if norm == "auxiliary":
        with auxiliary_norms(model):
            assert torch.allclose(plain(images), model(images))
    else:
        assert torch.allclose(plain(images), model(images))


def test_missing_and_ambiguous_auxiliary_norms_are_rejected():
    weights = network().network.state_dict()
    with pytest.raises(ShapebiasError, match="holds no auxiliary batch norms"):
        weights_with_norm(weights, "auxiliary", "x.pth")
    with pytest.raises(UnknownName, match="auxiliary"):
        weights_with_norm(weights, "auxilliary", "x.pth")
    with pytest.raises(UnknownName):
        build("recipes", kind="advprop", attack=attack(), norm="clean")
    with pytest.raises(ShapebiasError, match="has none: choose"):
        add_auxiliary_norms(alexnet.build(classes=list("ab"), input_size=64, width=0.125))
    with pytest.raises(ShapebiasError, match="several"):
        weights_with_norm(
            dict.fromkeys(("a.aux_bn.0.weight", "a.aux_bn.1.weight"), torch.ones(1)),
            "auxiliary",
            "x",
        )


def test_advprop_is_evaluated_with_the_norm_of_its_settings():
    model, log = trained("auxiliary")
    with auxiliary_norms(model):
        assert log[-1]["validation_accuracy"] == measure_accuracy(model, *data())
    assert torch.isfinite(torch.tensor([entry["loss"] for entry in log])).all()


def test_underfit_stops_at_its_target():
    images, labels = data()
    settings = {**SETTINGS, "epochs": 8}
    recipe = underfit.build(target=0.6)
    log = train(network(), images, labels, recipe=recipe, validation=(images, labels), **settings)
    assert len(log) < 8
    assert log[-1]["validation_accuracy"] >= 0.6
    assert all(entry["validation_accuracy"] < 0.6 for entry in log[:-1])


def test_underfit_needs_validation_images_and_its_target():
    images, labels = data(24)
    with pytest.raises(ShapebiasError, match="needs validation images"):
        train(network(), images, labels, recipe=underfit.build(target=0.6), **SETTINGS)
    with pytest.raises(ShapebiasError, match="not the target of 99") as error:
        train(
            network(),
            images,
            labels,
            recipe=underfit.build(target=0.99),
            validation=(images, (labels + 1) % 3),
            **{**SETTINGS, "epochs": 3},
        )
    assert "\n" not in str(error.value)
    for target in (0, 1, 86.79):
        with pytest.raises(ShapebiasError, match="is not above 0 and below 1"):
            build("recipes", kind="underfit", target=target)
