"""Adversarial images of one network, made batch by batch."""

from collections.abc import Container, Iterable, Iterator
from typing import Any

import torch

from shapebias.io.image_codec import encode_png
from shapebias.networks.classifier import Classifier
from shapebias.networks.fold import fold
from shapebias.runtime.batches import Batch
from shapebias.runtime.gpus import device
from shapebias.seeds import seed_of


def attack_batches(
    model: Classifier, batches: Iterable[Batch], attack: Any, *, seed: int
) -> Iterator[Batch]:
    """Batches with every image changed so that the network loses its label.

    Parameters
    ----------
    model
        Network whose gradients are used.
    batches
        Image ids, pixels in [0, 1] of shape (image, 3, row, column), labels. An image whose
        label is not a class of the network is attacked at the class that the network gives it.
    attack
        Plug-in of the family `attacks`.
    seed
        With an image's id it determines that image's random start.
    """
    index = {name: number for number, name in enumerate(model.classes)}
    climbed = fold(model)
    for ids, images, labels in batches:
        images = images.to(device())
        with torch.no_grad():
            given = model(images).argmax(1)
        known = [index.get(label, int(own)) for label, own in zip(labels, given, strict=True)]
        # One an image, so that nothing depends on which images share a batch.
        generators = [
            torch.Generator(images.device).manual_seed(seed_of(seed, "attack", one)) for one in ids
        ]
        yield ids, attack(climbed, images, given.new_tensor(known), generator=generators), labels


def keep_examples(
    batches: Iterable[Batch], kept: list[dict[str, Any]], wanted: Container[str]
) -> Iterator[Batch]:
    """Pass batches on, keeping the images wanted, by id, as rows of an image set."""
    for ids, images, labels in batches:
        for image_id, image, label in zip(ids, images, labels, strict=True):
            if image_id in wanted:
                # ASSUME rounding to eight bits is good enough to look at; scores are not rounded.
                pixels = (image * 255).round().byte().permute(1, 2, 0).cpu().numpy()
                kept.append({"image_id": image_id, "image": encode_png(pixels), "label": label})
        yield ids, images, labels
