"""Training images that are streamed: the same as those in memory, in a seeded order."""

import numpy as np
import pytest
import torch

from shapebias.attacks import pgd
from shapebias.errors import ShapebiasError
from shapebias.io.image_codec import encode_png
from shapebias.io.image_sets import ResizeCrop, RowGroup, write_images
from shapebias.networks.architectures import resnet
from shapebias.training.image_loaders import InMemoryImages, StreamedImages, labels_in, samples_of
from shapebias.training.loop import train
from shapebias.training.recipes import adversarial
from shapebias.training.resume_state import TrainingState

COUNT, SIDE = 50, 16


def row(number, size=SIDE):
    pixels = np.random.default_rng(number).integers(0, 256, (size, size, 3), dtype=np.uint8)
    label = "abc"[number % 3]
    return {"image_id": f"{number:02}", "image": encode_png(pixels), "label": label}


@pytest.fixture
def paths(tmp_path, monkeypatch):
    """Two parts with seven row groups in all."""
    monkeypatch.setattr("shapebias.io.image_sets.ROWS_PER_GROUP", 8)
    found = [tmp_path / f"part-{part}.parquet" for part in range(2)]
    for path, numbers in zip(found, (range(20), range(20, COUNT)), strict=True):
        write_images(map(row, numbers), path, sizing=ResizeCrop(resize=SIDE))
    return found


def streamed(paths, images=12):
    size = sum(path.stat().st_size for path in paths)
    return StreamedImages(paths, buffer=size * images // COUNT, device="cpu")


def drawn(seed):
    return torch.Generator().manual_seed(seed)


def held(paths):
    return next(samples_of(paths, memory=2**30, device="cpu").batches([torch.arange(COUNT)]))


def test_streamed_and_held_images_are_the_same(paths):
    everything = held(paths)
    assert everything.shape == (COUNT, 3, SIDE, SIDE)
    some = streamed(paths)
    chosen = some.order(drawn(0)).split(8)
    for which, pixels in zip(chosen, some.batches(chosen), strict=True):
        assert torch.equal(pixels, everything[which])
    halves = [list(some.batches(chosen, slice(rank, None, 2))) for rank in range(2)]
    for which, first, second in zip(chosen, *halves, strict=True):
        assert torch.equal(first, everything[which][::2])
        assert torch.equal(second, everything[which][1::2])


def test_an_order_is_a_permutation_that_follows_the_generator(paths):
    some = streamed(paths)
    first = some.order(drawn(0))
    assert sorted(first.tolist()) == list(range(COUNT))
    assert torch.equal(first, some.order(drawn(0)))
    assert not torch.equal(first, some.order(drawn(1)))
    # Neighbours in a file are no neighbours any more.
    assert (first.diff().abs() == 1).float().mean() < 0.25


def test_no_more_is_held_than_the_buffer_and_a_group(paths, monkeypatch):
    some, most, inside = streamed(paths, 12), 0, set()
    read = RowGroup.encoded_images

    def watched(group):
        nonlocal most
        rows = list(read(group))
        inside.update(image_id for image_id, _ in rows)
        most = max(most, len(inside))
        return rows

    taken = StreamedImages._taken

    def leaving(self, index, store, gone):
        found = taken(self, index, store, gone)
        inside.discard(found[1])
        return found

    monkeypatch.setattr(RowGroup, "encoded_images", watched)
    monkeypatch.setattr(StreamedImages, "_taken", leaving)
    list(some.batches(some.order(drawn(0)).split(5)))
    assert not inside
    assert 8 < most <= 12 + 2 * 8


def test_groups_that_lie_behind_are_not_read_again(paths, monkeypatch):
    some, seen = streamed(paths, 1), []
    read = RowGroup.encoded_images
    monkeypatch.setattr(
        RowGroup, "encoded_images", lambda group: seen.append(group) or list(read(group))
    )
    chosen = some.order(drawn(0)).split(5)
    list(some.batches(chosen[-1:]))
    assert len(seen) <= 3


def run(images, labels, path=None, stop=None):
    attack = pgd.build(norm="l2", eps=0.5, step=0.25, steps=1, random_start=True)

    class Stopping(adversarial.Adversarial):
        def loss(self, model, images, labels, *, done, generator):
            if stop is not None and done >= stop:
                raise KeyboardInterrupt
            return super().loss(model, images, labels, done=done, generator=generator)

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


def test_a_streamed_training_goes_on_bit_for_bit(paths, tmp_path):
    labels = torch.tensor(["abc".index(label) for _, label in labels_in(paths)])
    undisturbed = run(streamed(paths), labels)
    for stop in (0.4, 0.8):
        with pytest.raises(KeyboardInterrupt):
            train(streamed(paths), labels, tmp_path / "training_state.pt", stop)
    again = run(streamed(paths), labels, tmp_path / "training_state.pt")
    assert torch.equal(undisturbed, again)
    assert not torch.equal(undisturbed, run(InMemoryImages(held(paths)), labels))


def test_what_fits_is_held(paths, tmp_path, capsys):
    bytes_ = COUNT * 3 * SIDE * SIDE
    assert isinstance(samples_of(paths, memory=bytes_, device="cpu"), InMemoryImages)
    assert isinstance(samples_of(paths, memory=bytes_ - 1, device="cpu"), StreamedImages)
    assert "are streamed" in capsys.readouterr().out
    write_images([row(0), row(1, 8)], tmp_path / "odd.parquet", sizing=ResizeCrop())
    with pytest.raises(ShapebiasError, match="differ in size: give"):
        samples_of([tmp_path / "odd.parquet"], memory=2**20, device="cpu")
    write_images([], tmp_path / "none.parquet", sizing=ResizeCrop())
    with pytest.raises(ShapebiasError, match="empty set"):
        samples_of([tmp_path / "none.parquet"], memory=2**20, device="cpu")
