"""Streamed training images equal those in memory, and come in a seeded order."""

import numpy as np
import pytest
import torch

from shapebias.attacks import pgd
from shapebias.errors import ShapebiasError
from shapebias.io.image_codec import encode_png
from shapebias.io.image_sets import ResizeCrop, RowGroup, write_images
from shapebias.networks.architectures import resnet
from shapebias.training.image_loaders import (
    InMemoryImages,
    StreamedImages,
    load_images,
    read_labels,
)
from shapebias.training.recipes import adversarial
from shapebias.training.resume_state import TrainingState
from tests.helpers.training import train

COUNT, SIDE = 50, 16


def row(number, size=SIDE):
    pixels = np.random.default_rng(number).integers(0, 256, (size, size, 3), dtype=np.uint8)
    label = "abc"[number % 3]
    return {"image_id": f"{number:02}", "image": encode_png(pixels), "label": label}


@pytest.fixture
def paths(tmp_path, monkeypatch):
    """Two parts with seven row groups in all."""
    monkeypatch.setattr("shapebias.io.image_sets.ROWS_PER_GROUP", 8)
    parts = [tmp_path / f"part-{part}.parquet" for part in range(2)]
    for path, numbers in zip(parts, (range(20), range(20, COUNT)), strict=True):
        write_images(map(row, numbers), path, sizing=ResizeCrop(resize=SIDE))
    return parts


def streamed(paths, images=12):
    size = sum(path.stat().st_size for path in paths)
    return StreamedImages(paths, buffer=size * images // COUNT, device="cpu")


def seeded(seed):
    return torch.Generator().manual_seed(seed)


def in_memory(paths):
    return next(load_images(paths, memory=2**30, device="cpu").batches([torch.arange(COUNT)]))


def test_streamed_images_equal_images_in_memory(paths):
    everything = in_memory(paths)
    assert everything.shape == (COUNT, 3, SIDE, SIDE)
    stream = streamed(paths)
    batches = stream.order(seeded(0)).split(8)
    for indices, pixels in zip(batches, stream.batches(batches), strict=True):
        assert torch.equal(pixels, everything[indices])
    halves = [list(stream.batches(batches, slice(rank, None, 2))) for rank in range(2)]
    for indices, first, second in zip(batches, *halves, strict=True):
        assert torch.equal(first, everything[indices][::2])
        assert torch.equal(second, everything[indices][1::2])


def test_an_order_is_a_permutation_that_follows_the_generator(paths):
    stream = streamed(paths)
    first = stream.order(seeded(0))
    assert sorted(first.tolist()) == list(range(COUNT))
    assert torch.equal(first, stream.order(seeded(0)))
    assert not torch.equal(first, stream.order(seeded(1)))
    # Few neighbours in a file remain neighbours.
    assert (first.diff().abs() == 1).float().mean() < 0.25


def test_the_buffer_never_exceeds_its_size_by_more_than_two_groups(paths, monkeypatch):
    stream, largest, buffered = streamed(paths, 12), 0, set()
    read, pop = RowGroup.encoded_images, StreamedImages._pop

    def counting_read(group):
        nonlocal largest
        rows = list(read(group))
        buffered.update(image_id for image_id, _ in rows)
        largest = max(largest, len(buffered))
        return rows

    def counting_pop(self, index, buffer, consumed):
        encoded = pop(self, index, buffer, consumed)
        buffered.discard(encoded[1])
        return encoded

    monkeypatch.setattr(RowGroup, "encoded_images", counting_read)
    monkeypatch.setattr(StreamedImages, "_pop", counting_pop)
    list(stream.batches(stream.order(seeded(0)).split(5)))
    assert not buffered
    assert 8 < largest <= 12 + 2 * 8


def test_groups_of_earlier_batches_are_not_read(paths, monkeypatch):
    stream, groups = streamed(paths, 1), []
    read = RowGroup.encoded_images
    monkeypatch.setattr(
        RowGroup, "encoded_images", lambda group: groups.append(group) or list(read(group))
    )
    batches = stream.order(seeded(0)).split(5)
    list(stream.batches(batches[-1:]))
    assert len(groups) <= 3


def run(images, labels, path=None, stop=None):
    attack = pgd.build(norm="l2", eps=0.5, step=0.25, steps=1, random_start=True)

    class Stopping(adversarial.Adversarial):
        def loss(self, model, images, labels, *, progress, generator):
            if stop is not None and progress >= stop:
                raise KeyboardInterrupt
            return super().loss(model, images, labels, progress=progress, generator=generator)

    torch.manual_seed(0)
    model = resnet.build(classes=list("abc"), input_size=SIDE, depth=18, width=0.125, stem="small")
    train(
        model,
        images,
        labels,
        recipe=Stopping(attack=attack, warmup=0.0, label_smoothing=0.0),
        epochs=2,
        batch=8,
        learning_rate=0.01,
        momentum=0.9,
        weight_decay=1e-4,
        schedule="cosine",
        seed=0,
        augmentation="flip",
        validation=(images, labels),
        state=path and TrainingState(path, identity={}, seconds=0.0),
    )
    return torch.cat([value.flatten().float() for value in model.state_dict().values()])


def test_a_streamed_training_resumes_bit_for_bit(paths, tmp_path):
    labels = torch.tensor(["abc".index(label) for _, label in read_labels(paths)])
    uninterrupted = run(streamed(paths), labels)
    for stop in (0.4, 0.8):
        with pytest.raises(KeyboardInterrupt):
            run(streamed(paths), labels, tmp_path / "training_state.pt", stop)
    resumed = run(streamed(paths), labels, tmp_path / "training_state.pt")
    assert torch.equal(uninterrupted, resumed)
    assert not torch.equal(uninterrupted, run(InMemoryImages(in_memory(paths)), labels))


def test_images_that_fit_into_memory_are_decoded_once(paths, tmp_path, capsys):
    bytes_ = COUNT * 3 * SIDE * SIDE
    assert isinstance(load_images(paths, memory=bytes_, device="cpu"), InMemoryImages)
    assert isinstance(load_images(paths, memory=bytes_ - 1, device="cpu"), StreamedImages)
    assert "are streamed" in capsys.readouterr().out
    write_images([row(0), row(1, 8)], tmp_path / "odd.parquet", sizing=ResizeCrop())
    with pytest.raises(ShapebiasError, match="differ in size: give"):
        load_images([tmp_path / "odd.parquet"], memory=2**20, device="cpu")
    write_images([], tmp_path / "none.parquet", sizing=ResizeCrop())
    with pytest.raises(ShapebiasError, match="is empty"):
        load_images([tmp_path / "none.parquet"], memory=2**20, device="cpu")
