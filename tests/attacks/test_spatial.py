import pytest
import torch
from torch import nn

from shapebias.attacks import spatial
from shapebias.errors import ShapebiasError
from shapebias.networks.architectures import resnet
from shapebias.plugins import build
from shapebias.training.loop import train
from shapebias.training.recipes import adversarial

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


def slowly_bent(image, flow):
    """Bilinear fetching by loops; places beyond the border are moved onto it."""
    height, width = image.shape[1:]
    found = torch.empty_like(image)
    for row in range(height):
        for column in range(width):
            x = min(max(column + float(flow[row, column, 0]), 0), width - 1)
            y = min(max(row + float(flow[row, column, 1]), 0), height - 1)
            left, top = min(int(x), width - 2), min(int(y), height - 2)
            along, down = x - left, y - top
            square = image[:, top : top + 2, left : left + 2]
            ends = square[:, :, 0] * (1 - along) + square[:, :, 1] * along
            found[:, row, column] = ends[:, 0] * (1 - down) + ends[:, 1] * down
    return found


def test_bending_agrees_with_loops(images):
    small = images[:2, :, :9, :7]
    flow = torch.randn(2, 9, 7, 2, generator=torch.Generator().manual_seed(0)) * 2
    expected = torch.stack([slowly_bent(*pair) for pair in zip(small, flow, strict=True)])
    assert torch.allclose(spatial.bent(small, flow), expected, atol=1e-5)
    assert torch.allclose(spatial.bent(small, torch.zeros_like(flow)), small, atol=1e-6)


def test_roughness_is_the_sum_of_lengths():
    flow = torch.zeros(2, 3, 3, 2)
    flow[1, 1, 1] = torch.tensor([3.0, 4.0])
    # A single moved pixel differs from four neighbours by a length of 5.
    assert spatial.roughness(flow).tolist() == pytest.approx([0.0, 20.0], abs=0.02)


def test_raises_the_loss_of_every_image_by_itself(model, images):
    attack = spatial.build()
    found = attack(model, images, LABELS)
    assert (losses(model, found) > losses(model, images)).all()
    alone = torch.cat(
        [attack(model, one[None], label[None]) for one, label in zip(images, LABELS, strict=True)]
    )
    assert torch.allclose(found, alone, atol=1e-3)
    assert found.min() >= 0 and found.max() <= 1
    assert not found.requires_grad


def test_stays_within_its_bounds(model, images):
    # A step image: what is fetched from at most one pixel away changes next to the edge alone.
    halves = torch.zeros_like(images)
    halves[..., 16:] = 1.0
    found = spatial.build(step=1.0, steps=5, max_flow=1.0, smoothness=0.0)(model, halves, LABELS)
    changed = (found - halves).abs().amax(dim=(0, 1, 2)) > 1e-4
    assert changed.any()
    assert set(changed.nonzero().flatten().tolist()) <= {15, 16}
    assert torch.equal(
        spatial.build(steps=0)(model, images, LABELS),
        spatial.bent(images, torch.zeros(6, 32, 32, 2)),
    )


def test_smoothness_makes_smooth(model, images):
    def roughness(smoothness):
        attack, flows = spatial.build(smoothness=smoothness), []
        bent = spatial.bent
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(spatial, "bent", lambda i, flow: flows.append(flow) or bent(i, flow))
            attack(model, images, LABELS)
        return spatial.roughness(flows[-1]).mean()

    assert roughness(0.03) < 0.8 * roughness(0.0)


def test_leaves_modes_and_gradients(model, images):
    model.train().zero_grad()
    buffers = [buffer.clone() for buffer in model.buffers()]
    spatial.build(steps=2)(model, images, LABELS)
    assert model.training
    assert all(parameter.grad is None for parameter in model.parameters())
    assert all(map(torch.equal, buffers, model.buffers()))
    model.eval()


def test_serves_in_training(images):
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


def test_repr_and_refusal():
    text = repr(spatial.build())
    assert all(f"{name}=" in text for name in ("step", "steps", "max_flow", "smoothness"))
    with pytest.raises(ShapebiasError, match=r"attacks/spatial: max_flow: -1\.0 is not at least 0"):
        build("attacks", kind="spatial", max_flow=-1.0)
