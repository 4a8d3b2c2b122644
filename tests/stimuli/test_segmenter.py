"""The small DeepLab learns simple masks; segmenters are saved and loaded."""

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from shapebias.errors import ShapebiasError
from shapebias.plugins import build
from shapebias.stimuli.segmenter import Segmenter, load_segmenter, save_segmenter
from shapebias.stimuli.train_segmenter import train_segmenter

CLASSES = ["background", "disc", "square"]
SIZE = 32


def draw_images(count: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Discs and squares of any colour on noisy backgrounds of another lightness, and masks."""
    rng = np.random.default_rng(seed)
    down, across = np.mgrid[:SIZE, :SIZE]
    images, masks = [], []
    for number in range(count):
        row, column = rng.uniform(10, SIZE - 10, 2)
        radius = rng.uniform(6, 10)
        disc = np.hypot(down - row, across - column) < radius
        square = np.maximum(abs(down - row), abs(across - column)) < 0.9 * radius
        kind = 1 + number % 2
        inside = disc if kind == 1 else square
        dark, light = rng.uniform(20, 90, 3), rng.uniform(150, 230, 3)
        fill, background = (dark, light) if rng.uniform() < 0.5 else (light, dark)
        picture = np.where(inside[..., None], fill, background)
        picture = picture + rng.normal(0, 12, (SIZE, SIZE, 3))
        images.append(picture.clip(0, 255).astype(np.uint8).transpose(2, 0, 1))
        masks.append(np.where(inside, kind, 0))
    return torch.from_numpy(np.stack(images)), torch.from_numpy(np.stack(masks))


def new_network(seed: int = 0, width: int = 8) -> torch.nn.Module:
    torch.manual_seed(seed)
    return build("segmenters", kind="deeplab", classes=CLASSES, width=width)


def mean_iou(predicted: torch.Tensor, truth: torch.Tensor, *, classes: int) -> float:
    """Intersection over union pooled over all pixels, averaged over the classes that occur."""
    pairs = truth.flatten().long() * classes + predicted.flatten().long()
    counts = torch.bincount(pairs, minlength=classes**2).view(classes, classes).double()
    both = counts.diagonal()
    either = counts.sum(0) + counts.sum(1) - both
    return float((both / either)[either > 0].mean())


def test_it_learns_discs_and_squares():
    images, masks = draw_images(480, seed=0)
    network = new_network()
    progress = []
    rows = train_segmenter(
        network,
        images,
        masks,
        epochs=12,
        batch=32,
        learning_rate=0.01,
        seed=0,
        progress=progress.append,
    )
    assert rows == progress and [row["epoch"] for row in rows] == list(range(1, 13))
    assert rows[-1]["loss"] < 0.25 * rows[0]["loss"] and rows[-1]["learning_rate"] < 1e-6
    new_images, new_masks = draw_images(100, seed=1)
    segmenter = Segmenter(network, CLASSES)
    assert mean_iou(segmenter.predict(new_images), new_masks, classes=3) > 0.85
    pixels = new_images[0].permute(1, 2, 0).numpy()
    assert np.array_equal(segmenter(pixels), segmenter.predict(new_images[:1])[0].numpy())
    silhouette = build("transforms", kind="silhouette", segmenter=segmenter)
    shape, record = silhouette(pixels, label="disc")
    assert record["coverage"] == pytest.approx(float((new_masks[0] == 1).float().mean()), abs=0.05)
    assert set(np.unique(shape)) == {0, 255}


def test_the_same_seed_gives_the_same_weights_bit_for_bit():
    images, masks = draw_images(24, seed=0)
    settings = {"epochs": 2, "batch": 8, "learning_rate": 0.01}
    weights = []
    for seed in (3, 3, 4):
        network = new_network()
        train_segmenter(network, images, masks, **settings, seed=seed)
        weights.append(torch.cat([value.flatten() for value in network.state_dict().values()]))
    assert torch.equal(weights[0], weights[1]) and not torch.equal(weights[0], weights[2])


def test_scores_have_the_size_of_the_images():
    network = new_network().eval()
    for shape in ((64, 64), (33, 47), (8, 8)):
        assert network(torch.rand(2, 3, *shape)).shape == (2, 3, *shape)


def test_the_last_batch_may_contain_one_image():
    images, masks = draw_images(5, seed=0)
    rows = train_segmenter(
        new_network(), images, masks, epochs=1, batch=4, learning_rate=0.001, seed=0
    )
    assert np.isfinite(rows[0]["loss"])


@pytest.mark.parametrize("seed", range(5))
def test_mean_iou_equals_the_count_by_sets(seed):
    rng = np.random.default_rng(seed)
    truth, predicted = rng.integers(0, 4, (2, 3, 5, 6))
    ratios = []
    for number in range(6):
        is_true = {tuple(place) for place in np.argwhere(truth == number)}
        is_predicted = {tuple(place) for place in np.argwhere(predicted == number)}
        if is_true | is_predicted:
            ratios.append(len(is_true & is_predicted) / len(is_true | is_predicted))
    iou = mean_iou(torch.from_numpy(predicted), torch.from_numpy(truth), classes=6)
    assert iou == pytest.approx(np.mean(ratios), abs=1e-12)


def test_invalid_arguments_are_rejected():
    images, masks = draw_images(4, seed=0)
    settings = {"epochs": 1, "batch": 2, "learning_rate": 0.01, "seed": 0}
    with pytest.raises(ShapebiasError, match='start with "background"'):
        build("segmenters", kind="deeplab", classes=["disc", "square"])
    with pytest.raises(ShapebiasError, match="a mask of the same size for each"):
        train_segmenter(new_network(), images, masks[:, :8], **settings)
    with pytest.raises(ShapebiasError, match="lower its learning_rate"):
        train_segmenter(
            new_network(), images, masks, **{**settings, "learning_rate": 1e30, "epochs": 4}
        )


def test_a_segmenter_is_saved_and_loaded_and_its_file_is_reproducible(tmp_path):
    network = new_network()
    architecture = {"kind": "deeplab", "width": 8}
    files = [tmp_path / f"{number}.safetensors" for number in range(8)]
    for path in files:
        save_segmenter(network, path, architecture=architecture, classes=CLASSES)
    assert len({path.read_bytes() for path in files}) == 1
    images, _ = draw_images(4, seed=2)
    segmenter = load_segmenter(files[0])
    network.to(next(segmenter.network.parameters()).device)
    assert segmenter.source == "deeplab, trained here"
    assert segmenter.classes == tuple(CLASSES)
    assert torch.equal(segmenter.predict(images), Segmenter(network, CLASSES).predict(images))


def test_a_file_of_other_weights_is_rejected(tmp_path):
    path = tmp_path / "weights.safetensors"
    save_file({"weight": torch.zeros(2)}, path)
    with pytest.raises(ShapebiasError, match="is not a segmenter"):
        load_segmenter(path)
