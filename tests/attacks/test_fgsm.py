"""FGSM against its formula and a published library."""

import foolbox
import pytest
import torch
from torch.nn.functional import cross_entropy

from shapebias.attacks import pgd
from shapebias.errors import ShapebiasError
from shapebias.networks.architectures import resnet
from shapebias.plugins import build

EPS = 8 / 255
LABELS = torch.tensor([0, 1, 2, 3, 0, 1])


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return resnet.build(classes=list("abcd"), input_size=32, depth=18, width=0.125).eval()


@pytest.fixture(scope="module")
def images():
    return torch.rand(6, 3, 32, 32, generator=torch.Generator().manual_seed(1))


def sign_of_gradient(model, images):
    images = images.clone().requires_grad_()
    cross_entropy(model(images), LABELS).backward()
    return images.grad.sign()


def test_is_one_step_along_the_sign(model, images):
    attacked = build("attacks", kind="fgsm", eps=EPS)(model, images, LABELS)
    expected = (images + EPS * sign_of_gradient(model, images)).clamp(0, 1)
    assert torch.allclose(attacked, expected, atol=1e-7)
    assert (attacked - images).abs().max() == pytest.approx(EPS, abs=1e-6)


def test_agrees_with_a_published_library(model, images):
    attacked = build("attacks", kind="fgsm", eps=EPS)(model, images, LABELS)
    attack = foolbox.attacks.LinfFastGradientAttack(random_start=False)
    wrapped = foolbox.PyTorchModel(model, bounds=(0, 1))
    _, expected, _ = attack(wrapped, images, LABELS, epsilons=EPS)
    assert (attacked - expected).abs().max() < 1e-6


def test_a_random_start_is_drawn_from_the_generator_and_stays_in_the_ball(model, images):
    attack = build("attacks", kind="fgsm", eps=EPS, step=1.25 * EPS, random_start=True)

    def attacked(seed):
        return attack(model, images, LABELS, generator=torch.Generator().manual_seed(seed))

    assert torch.equal(attacked(0), attacked(0)) and not torch.equal(attacked(0), attacked(1))
    assert (attacked(0) - images).abs().max() <= EPS + 1e-6
    noise = torch.empty_like(images).uniform_(-EPS, EPS, generator=torch.Generator().manual_seed(0))
    start = (images + noise).clamp(0, 1)
    moved = start + 1.25 * EPS * sign_of_gradient(model, start) - images
    expected = (images + moved.clamp(-EPS, EPS)).clamp(0, 1)
    assert torch.allclose(attacked(0), expected, atol=1e-6)


def test_is_the_special_case_of_projected_gradients(model, images):
    settings = {"norm": "linf", "eps": EPS, "step": EPS, "steps": 1}
    expected = pgd.build(**settings)(model, images, LABELS)
    assert torch.equal(build("attacks", kind="fgsm", eps=EPS)(model, images, LABELS), expected)


@pytest.mark.parametrize("settings", [{"eps": -0.1}, {"eps": 0.1, "step": -0.1}])
def test_wrong_settings_are_rejected_in_one_line(settings):
    with pytest.raises(ShapebiasError, match=r"^attacks/fgsm: [^\n]*$"):
        build("attacks", kind="fgsm", **settings)
