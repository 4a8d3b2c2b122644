import eagerpy
import foolbox
import pytest
import torch
from torch import nn

from shapebias.attacks import pgd
from shapebias.errors import ShapebiasError
from shapebias.networks.architectures import resnet
from shapebias.networks.fold import fold
from shapebias.plugins import build

L2 = {"norm": "l2", "eps": 0.8, "step": 0.3, "steps": 5}
LINF = {"norm": "linf", "eps": 0.03, "step": 0.01, "steps": 5}


def network():
    torch.manual_seed(0)
    return resnet.build(classes=list("abcd"), input_size=32, depth=18, width=0.125).eval()


@pytest.fixture(scope="module")
def model():
    return network()


@pytest.fixture(scope="module")
def images():
    return torch.rand(6, 3, 32, 32, generator=torch.Generator().manual_seed(1))


LABELS = torch.tensor([0, 1, 2, 3, 0, 1])


def sizes(change, norm):
    return change.flatten(1).norm(dim=1, p=2 if norm == "l2" else torch.inf)


@pytest.mark.parametrize(
    ("settings", "theirs"),
    [(L2, foolbox.attacks.L2PGD), (LINF, foolbox.attacks.LinfPGD)],
    ids=["l2", "linf"],
)
@pytest.mark.parametrize("attacked", ["network", "folded"])
def test_agrees_with_a_published_library(model, images, settings, theirs, attacked):
    # Both attack the network, or both attack its folded copy.
    target = model if attacked == "network" else fold(model)
    assert (target is model) == (attacked == "network")
    ours = pgd.build(**settings)(target, images, LABELS)
    assert (ours - published(theirs, settings, target, images)).abs().max() < 1e-5


@pytest.mark.parametrize(
    ("settings", "theirs"),
    [(L2, foolbox.attacks.L2PGD), (LINF, foolbox.attacks.LinfPGD)],
    ids=["l2", "linf"],
)
def test_an_attack_on_the_folded_copy_agrees_with_a_published_library_on_the_network(
    images, settings, theirs
):
    """In double precision the attack on the folded copy equals the attack on the network.

    In single precision no such bound holds for all images, neither for our attack nor for the
    published one: folding changes the last digits of a gradient, which occasionally switches a ReLU
    whose input is almost zero, or the sign of a pixel's almost zero gradient. From there on an
    image's iterates differ by up to a step. An attack by either library in single precision differs
    as much from the same attack in double precision.
    """
    exact = network().double()
    ours = pgd.build(**settings)(fold(exact), images.double(), LABELS)
    expected = published(theirs, settings, exact, images.double())
    assert (ours - expected).abs().max() < 1e-10


def published(theirs, settings, model, images):
    """Adversarial images of foolbox."""
    attack = theirs(abs_stepsize=settings["step"], steps=settings["steps"], random_start=False)
    wrapped = foolbox.PyTorchModel(model, bounds=(0, 1))
    return attack(wrapped, images, LABELS, epsilons=settings["eps"])[1]


@pytest.mark.parametrize("settings", [L2, LINF], ids=["l2", "linf"])
def test_agrees_with_a_published_library_from_a_random_start(model, images, settings, monkeypatch):
    seed = 3
    attack = pgd.build(random_start=True, **settings)
    ours = attack(model, images, LABELS, generator=torch.Generator().manual_seed(seed))
    theirs = (foolbox.attacks.L2PGD if settings is L2 else foolbox.attacks.LinfPGD)(
        abs_stepsize=settings["step"], steps=settings["steps"], random_start=True
    )
    if settings is L2:
        # Both draw uniformly from the ball but use random numbers differently: share one start.
        start = attack._start(images, torch.Generator().manual_seed(seed))
        start = eagerpy.astensor(start)
        monkeypatch.setattr(theirs, "get_random_start", lambda x0, eps: start)
    torch.manual_seed(seed)
    wrapped = foolbox.PyTorchModel(model, bounds=(0, 1))
    _, expected, _ = theirs(wrapped, images, LABELS, epsilons=settings["eps"])
    assert (ours - expected).abs().max() < 1e-5
    assert (ours - pgd.build(**settings)(model, images, LABELS)).abs().max() > 1e-3


@pytest.mark.parametrize("settings", [L2, LINF], ids=["l2", "linf"])
@pytest.mark.parametrize("random_start", [False, True])
@pytest.mark.parametrize("best_iterate", [False, True])
@pytest.mark.parametrize("step_rule", ["steepest", "gradient", "sign"])
def test_stays_in_the_ball(model, images, settings, random_start, best_iterate, step_rule):
    attack = pgd.build(
        random_start=random_start, best_iterate=best_iterate, step_rule=step_rule, **settings
    )
    attacked = attack(model, images, LABELS, generator=torch.Generator().manual_seed(0))
    assert attacked.min() >= 0
    assert attacked.max() <= 1
    assert (sizes(attacked - images, settings["norm"]) <= settings["eps"] * (1 + 1e-5)).all()
    assert not attacked.requires_grad


@pytest.mark.parametrize("settings", [L2, LINF], ids=["l2", "linf"])
def test_raises_the_loss_and_the_best_iterate_is_no_worse_than_the_last(model, images, settings):
    def losses(pixels):
        with torch.no_grad():
            return nn.functional.cross_entropy(model(pixels), LABELS, reduction="none")

    last = losses(pgd.build(**settings)(model, images, LABELS))
    best = losses(pgd.build(best_iterate=True, **settings)(model, images, LABELS))
    assert (last > losses(images)).all()
    assert (best >= last - 1e-6).all()


def test_one_step_along_the_gradient_is_exact(images):
    class Linear(nn.Module):
        def forward(self, images):
            total = images.sum(dim=(1, 2, 3))
            return torch.stack([total, -total], dim=1) / 1e3

    middle = 0.4 + images * 0.2
    labels = torch.zeros(6, dtype=torch.long)
    attacked = pgd.build(norm="l2", eps=9.0, step=0.5, steps=1)(Linear(), middle, labels)
    assert torch.allclose(attacked, middle - 0.5 / (3 * 32 * 32) ** 0.5, atol=1e-6)


@pytest.mark.parametrize("settings", [L2, LINF], ids=["l2", "linf"])
def test_a_zero_gradient_moves_nothing(images, settings):
    class Constant(nn.Module):
        def forward(self, images):
            return images.sum(dim=(1, 2, 3))[:, None] * torch.zeros(1, 4)

    assert torch.equal(pgd.build(**settings)(Constant(), images, LABELS), images)


def test_leaves_modes_and_gradients(model, images):
    model.train().zero_grad()
    frozen = model.network.bn1.eval()
    buffers = [buffer.clone() for buffer in model.buffers()]
    pgd.build(**L2)(model, images, LABELS)
    assert model.training
    assert not frozen.training
    assert model.network.layer1.training
    assert all(parameter.grad is None for parameter in model.parameters())
    assert all(map(torch.equal, buffers, model.buffers()))
    model.eval()


def test_random_start_follows_the_generator(model, images):
    attack = pgd.build(random_start=True, **L2)

    def attacked(seed):
        return attack(model, images, LABELS, generator=torch.Generator().manual_seed(seed))

    assert torch.equal(attacked(0), attacked(0))
    assert not torch.equal(attacked(0), attacked(1))


def test_repr_states_every_parameter():
    text = repr(pgd.build(**L2))
    for name in ("norm", "eps", "step", "steps", "random_start", "best_iterate", "step_rule"):
        assert f"{name}=" in text


@pytest.mark.parametrize("changes", [{"norm": "l1"}, {"step_rule": "up"}, {"eps": -1.0}])
def test_wrong_settings_are_rejected_in_one_line(changes):
    with pytest.raises(ShapebiasError) as error:
        build("attacks", kind="pgd", **{**L2, **changes})
    assert "\n" not in str(error.value)
