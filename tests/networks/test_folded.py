"""The folded copy that attacks run on computes the same as the network, up to rounding."""

import pytest
import torch
from torch import nn

from shapebias.attacks import pgd, spatial
from shapebias.attacks.pgd import gradient_of
from shapebias.networks.architectures import factory
from shapebias.networks.auxiliary_batch_norm import add_auxiliary_norms, auxiliary_norms
from shapebias.networks.fold import compiled_folded, fold
from shapebias.networks.wrapping.wrap import wrap_network
from shapebias.plugins import build

CLASSES = list("abcde")
NETWORKS = {
    "resnet18": {"kind": "resnet", "depth": 18, "width": 0.125, "stem": "small"},
    "resnet50": {"kind": "resnet", "depth": 50, "width": 0.25},
    "googlenet": {"kind": "googlenet", "width": 0.125},
    "alexnet": {"kind": "alexnet", "width": 0.125, "stem": "small"},
    "alexnet_bn": {"kind": "alexnet", "width": 0.125, "stem": "small", "batch_norm": True},
    # Norms before convolutions, which cannot be folded into them.
    "densenet": {"kind": "torchvision", "name": "densenet121"},
    # Convolutions in groups, and other activation functions.
    "mobilenet": {"kind": "torchvision", "name": "mobilenet_v3_small"},
}
NETWORKS["both"] = {"kind": "ensemble", "members": [NETWORKS["resnet18"]] * 2}


def network(name):
    """Network whose norms do something."""
    torch.manual_seed(0)
    model = build("architectures", classes=CLASSES, input_size=64, **NETWORKS[name])
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_mean, -0.1, 0.1)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.uniform_(module.bias, -0.1, 0.1)
    return model


def images(count=5):
    return torch.rand(count, 3, 64, 64, generator=torch.Generator().manual_seed(1))


LABELS = torch.arange(5)


def near(one, other, tolerance=1e-4):
    return (one - other).norm() <= tolerance * other.norm()


def alike(one, other, tolerance=1e-4):
    """Whether most images agree; for the others rounding has turned a ReLU or two."""
    apart = (one - other).flatten(1).norm(dim=1) / other.flatten(1).norm(dim=1)
    # Not a number where the network is so sure that both gradients are zero.
    return apart.nan_to_num(0).median() < tolerance


@pytest.mark.parametrize("name", NETWORKS)
def test_scores_gradients_and_attacks_are_the_same(name):
    model = network(name).train()
    folded = fold(model)
    assert folded is not model
    attack = pgd.build(norm="l2", eps=1.0, step=0.3, steps=3)
    found = attack(folded, images(), LABELS)
    expected = attack(model, images(), LABELS)
    assert alike(found - images(), expected - images(), 0.05)
    assert all(parameter.grad is None for parameter in model.parameters())
    assert model.training and all(module.training for module in model.network.modules())
    model.eval()
    folded.eval()
    for pixels in (images(), images().to(memory_format=torch.channels_last)):
        assert near(folded(pixels), model(pixels))
        assert alike(gradient_of(folded, pixels, LABELS)[0], gradient_of(model, pixels, LABELS)[0])


def test_it_follows_the_weights_and_the_chosen_norms():
    model = network("resnet18").eval()
    before = fold(model)(images())
    with torch.no_grad():
        model.network.layer2[0].conv1.weight.mul_(1.5)
        model.network.layer1[0].bn2.running_var.mul_(2)
    assert not near(before, model(images()), 1e-2)
    assert near(fold(model)(images()), model(images()))
    two = network("resnet18").eval()
    add_auxiliary_norms(two)
    nn.init.constant_(two.network.bn1.aux_bn.weight, 0.1)
    with auxiliary_norms(two):
        assert near(fold(two)(images()), two(images()))
    assert near(fold(two)(images()), two(images()))


def test_a_network_that_cannot_be_folded_is_returned_itself():
    bare = nn.Sequential(nn.Flatten(), nn.Linear(3 * 64 * 64, 5))
    assert fold(bare) is bare
    model = network("resnet18").eval()
    with model.ablated("conv1", [0]):
        assert fold(model) is model
    spatially = spatial.build(steps=2)
    assert alike(spatially(fold(model), images(), LABELS), spatially(model, images(), LABELS))
    uncut = factory.build(
        classes=CLASSES, function="tests.networks.test_folded:Asking", mean=[0.0] * 3, std=[1.0] * 3
    )
    assert not uncut.is_split
    assert fold(uncut) is uncut


class Asking(nn.Module):
    """A network whose code asks for values, so that it cannot be traced."""

    def __init__(self):
        super().__init__()
        self.convolution, self.last = nn.Conv2d(3, 4, 3), nn.Linear(4, len(CLASSES))

    def forward(self, images):
        maps = self.convolution(images)
        return self.last((maps if maps.sum() > 0 else -maps).mean(dim=(2, 3)))


def test_bfloat16_and_compiling_give_the_same_up_to_rounding():
    model = network("alexnet").eval()
    with torch.autocast("cpu", torch.bfloat16):
        rough = fold(model)(images())
    assert near(rough.float(), model(images()), 0.05)
    assert near(fold(model)(images()), model(images()))
    plain = fold(model)
    with compiled_folded(model):
        assert fold(model) is not plain
    assert fold(model) is plain


def test_convolutions_that_pad_otherwise_are_left_as_they_are():
    class Reflecting(nn.Module):
        def __init__(self):
            super().__init__()
            self.convolution = nn.Conv2d(3, 4, 3, padding=1, padding_mode="reflect")
            self.same = nn.Conv2d(4, 4, 3, padding="same")
            self.last = nn.Linear(4, len(CLASSES))

        def forward(self, images):
            return self.last(self.same(self.convolution(images).relu()).mean(dim=(2, 3)))

    torch.manual_seed(0)
    made = Reflecting()
    model = wrap_network(
        made,
        layers={"first": "convolution"},
        stages=[],
        classes=CLASSES,
        mean=[0.0] * 3,
        std=[1.0] * 3,
        input_size=64,
    ).eval()
    assert fold(model) is not model
    assert near(fold(model)(images()), model(images()))
