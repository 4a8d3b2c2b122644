"""torchvision's weights by name: from torch's store, or downloaded."""

import hashlib
import json
from types import SimpleNamespace as Namespace

import pytest
import torch
from safetensors.torch import save_file

from scripts.import_network import main
from shapebias.errors import ShapebiasError, UnknownName
from shapebias.networks.checkpoints import load_network
from shapebias.networks.import_weights import import_network
from shapebias.plugins import build
from shapebias.torchvision_import import torchvision
from shapebias.weights import torchvision_weights
from shapebias.weights.torchvision_weights import file_of, published

CLASSES = [str(number) for number in range(1000)]


def test_torchvisions_description_of_its_weights():
    weights = published({"kind": "torchvision", "name": "resnet50"}, "IMAGENET1K_V2")
    assert weights.file == "resnet50-11ad3fa6.pth"
    assert weights.mean == [0.485, 0.456, 0.406] and weights.input_size == 224
    assert published({"kind": "resnet", "depth": 18}, "DEFAULT").file == "resnet18-f37072fd.pth"
    assert published({"kind": "googlenet"}, "IMAGENET1K_V1").mean == [0.5] * 3
    assert published({"kind": "torchvision", "name": "inception_v3"}, "DEFAULT").input_size == 299
    with pytest.raises(UnknownName, match="did you mean 'IMAGENET1K_V2'"):
        published({"kind": "resnet"}, "IMAGENET1K_V3")
    with pytest.raises(UnknownName, match="did you mean 'resnet50'"):
        published({"kind": "torchvision", "name": "resnet5"}, "DEFAULT")


@pytest.fixture
def stored(monkeypatch, tmp_path):
    """Weights in torch's store, with their own digest in the name of the file."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    store = tmp_path / "hub/checkpoints"
    store.mkdir(parents=True)
    torch.manual_seed(0)
    model = build("architectures", kind="torchvision", name="squeezenet1_1", classes=CLASSES)
    torch.save(model.network.state_dict(), store / "new.pth")
    digits = hashlib.sha256((store / "new.pth").read_bytes()).hexdigest()[:8]
    (store / "new.pth").rename(store / f"squeezenet1_1-{digits}.pth")
    address = f"https://example.org/squeezenet1_1-{digits}.pth"
    return torchvision_weights.Published(address, [0.1] * 3, [0.2] * 3, 224), store, model


def test_the_file_comes_from_torchs_store(stored, tmp_path):
    weights, store, model = stored
    path = file_of(weights, tmp_path / "downloads")
    assert path == store / weights.file
    files = tmp_path / "weights.safetensors", tmp_path / "model.json"
    import_network(
        path,
        *files,
        architecture={"kind": "torchvision", "name": "squeezenet1_1"},
        classes=CLASSES,
        input_size=None,
        source={"name": "IMAGENET1K_V1"},
    )
    images = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        assert torch.equal(load_network(*files)(images), model.eval()(images))
    assert json.loads(files[1].read_text())["provenance"]["name"] == "IMAGENET1K_V1"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ShapebiasError, match=r"differs from https://example\.org/squeezenet"):
        file_of(weights, tmp_path / "downloads")


def test_the_error_of_a_failed_download_names_the_address(stored, tmp_path, monkeypatch):
    weights, store, _ = stored
    (store / weights.file).unlink()

    def failing(url, path, attempts):
        raise ShapebiasError(f"cannot download {url}: no route to host")

    monkeypatch.setattr(torchvision_weights, "fetch", failing)
    with pytest.raises(ShapebiasError, match="give the file as `path` beside the `name`") as error:
        file_of(weights, tmp_path / "downloads")
    assert weights.url in str(error.value) and "\n" not in str(error.value)


def test_a_network_of_timm_reads_a_file_in_its_own_format(tmp_path):
    timm = pytest.importorskip("timm")
    theirs = timm.create_model("resnet18", pretrained=False).eval()
    save_file(theirs.state_dict(), tmp_path / "model.safetensors")
    files = tmp_path / "weights.safetensors", tmp_path / "model.json"
    settings = {"architecture": {"kind": "timm", "name": "resnet18"}, "classes": CLASSES}
    import_network(tmp_path / "model.safetensors", *files, input_size=None, source={}, **settings)
    ours, images = load_network(*files), torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        assert torch.equal(ours(images), theirs((images - ours.mean) / ours.std))


def test_a_published_file_is_recognised_by_its_content(stored, tmp_path, monkeypatch, capsys):
    weights, store, _ = stored
    architecture = {"kind": "torchvision", "name": "squeezenet1_1"}
    path = (store / weights.file).rename(tmp_path / "renamed.pth")
    files = {
        "path_to_weights": tmp_path / "weights.safetensors",
        "path_to_description": tmp_path / "model.json",
    }
    settings = {
        "architecture": architecture,
        "classes": "imagenet",
        "input_size": None,
        "source": {},
    }
    main(path=path, **files, **settings)
    assert json.loads(files["path_to_description"].read_text())["mean"] == [0.485, 0.456, 0.406]
    output = capsys.readouterr().out
    assert "assumed: pixels are normalised with mean [0.485, 0.456, 0.406]" in output
    assert "stem" not in output

    transforms = Namespace(mean=[0.5] * 3, std=[0.25] * 3, crop_size=[96])

    class Members(torchvision.models.WeightsEnum):
        IMAGENET1K_V1 = torchvision.models.Weights(weights.url, lambda: transforms, {})

    listed = "squeezenet1_1", Members.__members__
    monkeypatch.setattr(torchvision_weights, "_listed", lambda architecture: listed)
    main(path=path, **files, **settings)
    description = json.loads(files["path_to_description"].read_text())
    assert (description["mean"], description["std"]) == ([0.5] * 3, [0.25] * 3)
    assert description["input_size"] == 96
    settings["architecture"] = architecture | {"mean": [0.4] * 3}
    main(path=path, **files, **settings)
    assert json.loads(files["path_to_description"].read_text())["mean"] == [0.4] * 3
    assert "with mean [0.4, 0.4, 0.4]" in capsys.readouterr().out


def test_an_import_prints_which_stem_it_assumes(tmp_path, capsys):
    architecture = {"kind": "resnet", "depth": 18, "width": 0.125, "stem": "small"}
    model = build("architectures", classes=["a", "b"], **architecture)
    torch.save(model.network.state_dict(), tmp_path / "x.pth")
    files = {
        "path_to_weights": tmp_path / "weights.safetensors",
        "path_to_description": tmp_path / "model.json",
    }
    settings = {"architecture": architecture, "classes": ["a", "b"], "input_size": 32, "source": {}}
    main(path=tmp_path / "x.pth", **files, **settings)
    assert "trained with `stem: small`" in capsys.readouterr().out
    with pytest.raises(ShapebiasError, match="do not exist"):
        main(path=tmp_path / "absent.pth", **files, **settings)
