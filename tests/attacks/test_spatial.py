import pytest
import torch
from torch import nn

from shapebias.attacks import spatial
from shapebias.errors import ShapebiasError
from shapebias.networks.architectures import resnet
from shapebias.plugins import build
from shapebias.training.recipes import adversarial
from tests.helpers.training import train

LABELS = torch.tensor([0, 1, 2, 3, 0, 1])


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return resnet.build(classes=list("abcd"), input_size=32, depth=18, width=0.125).eval()


@pytest.fixture(scope="module")
def images():
    generator = torch.Generator().manual_seed(1)
    rough = torch.rand(6, 3, 8, 8, generator=generator)
    return nn.functional.interpolate(rough, scale_factor=4, mode="bilinear")


def losses(model, images):
    with torch.no_grad():
        return nn.functional.cross_entropy(model(images), LABELS, reduction="none")


def warp_by_loops(image, flow):
    """Bilinear sampling by loops; positions outside the image are moved onto its border."""
    height, width = image.shape[1:]
    warped = torch.empty_like(image)
    for row in range(height):
        for column in range(width):
            x = min(max(column + float(flow[row, column, 0]), 0), width - 1)
            y = min(max(row + float(flow[row, column, 1]), 0), height - 1)
            left, top = min(int(x), width - 2), min(int(y), height - 2)
            along, down = x - left, y - top
            square = image[:, top : top + 2, left : left + 2]
            ends = square[:, :, 0] * (1 - along) + square[:, :, 1] * along
            warped[:, row, column] = ends[:, 0] * (1 - down) + ends[:, 1] * down
    return warped


def test_warping_agrees_with_loops(images):
    small = images[:2, :, :9, :7]
    flow = torch.randn(2, 9, 7, 2, generator=torch.Generator().manual_seed(0)) * 2
    expected = torch.stack([warp_by_loops(*pair) for pair in zip(small, flow, strict=True)])
    assert torch.allclose(spatial.warp(small, flow), expected, atol=1e-5)
    assert torch.allclose(spatial.warp(small, torch.zeros_like(flow)), small, atol=1e-6)


def test_flow_tv_is_the_sum_of_lengths():
    flow = torch.zeros(2, 3, 3, 2)
    flow[1, 1, 1] = torch.tensor([3.0, 4.0])
    # A single moved pixel differs from four neighbours by a length of 5.
    assert spatial.flow_tv(flow).tolist() == pytest.approx([0.0, 20.0], abs=0.02)


def test_raises_the_loss_of_each_image_independently_of_its_batch(model, images):
    attack = spatial.build()
    warped = attack(model, images, LABELS)
    assert (losses(model, warped) > losses(model, images)).all()
    pairs = zip(images, LABELS, strict=True)
    single = torch.cat([attack(model, image[None], label[None]) for image, label in pairs])
    assert torch.allclose(warped, single, atol=1e-3)
    assert warped.min() >= 0 and warped.max() <= 1
    assert not warped.requires_grad


def test_stays_within_its_bounds(model, images):
    # A step edge: with displacements of at most one pixel, only pixels next to the edge change.
    halves = torch.zeros_like(images)
    halves[..., 16:] = 1.0
    warped = spatial.build(step=1.0, steps=5, max_flow=1.0, smoothness=0.0)(model, halves, LABELS)
    changed = (warped - halves).abs().amax(dim=(0, 1, 2)) > 1e-4
    assert changed.any()
    assert set(changed.nonzero().flatten().tolist()) <= {15, 16}
    assert torch.equal(
        spatial.build(steps=0)(model, images, LABELS),
        spatial.warp(images, torch.zeros(6, 32, 32, 2)),
    )


def test_smoothness_makes_smooth(model, images):
    def mean_flow_tv(smoothness):
        attack, flows = spatial.build(smoothness=smoothness), []
        warp = spatial.warp
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(spatial, "warp", lambda i, flow: flows.append(flow) or warp(i, flow))
            attack(model, images, LABELS)
        return spatial.flow_tv(flows[-1]).mean()

    assert mean_flow_tv(0.03) < 0.8 * mean_flow_tv(0.0)


def test_leaves_modes_and_gradients(model, images):
    model.train().zero_grad()
    buffers = [buffer.clone() for buffer in model.buffers()]
    spatial.build(steps=2)(model, images, LABELS)
    assert model.training
    assert all(parameter.grad is None for parameter in model.parameters())
    assert all(map(torch.equal, buffers, model.buffers()))
    model.eval()


def test_can_be_trained_against(images):
    torch.manual_seed(0)
    fresh = resnet.build(classes=list("abcd"), input_size=32, depth=18, width=0.125)
    log = train(
        fresh,
        images.mul(255).byte(),
        LABELS,
        recipe=adversarial.build(attack=spatial.build(steps=2)),
        epochs=12,
        batch=6,
        learning_rate=0.01,
        momentum=0.9,
        weight_decay=0.0,
        schedule="constant",
        seed=0,
    )
    assert log[-1]["loss"] < log[0]["loss"]


def test_repr_states_all_settings_and_negative_flows_are_rejected():
    text = repr(spatial.build())
    assert all(f"{name}=" in text for name in ("step", "steps", "max_flow", "smoothness"))
    with pytest.raises(ShapebiasError, match=r"attacks/spatial: max_flow: -1\.0 is not at least 0"):
        build("attacks", kind="spatial", max_flow=-1.0)
