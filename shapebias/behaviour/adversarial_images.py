"""Adversarial images of a network, made batch by batch."""

from collections.abc import Callable, Container, Iterable, Iterator
from typing import Any

import torch
from torch import Tensor

from shapebias.io.image_codec import encode_png
from shapebias.networks.classifier import Classifier
from shapebias.networks.fold import fold
from shapebias.runtime.batches import Batch
from shapebias.runtime.gpus import device
from shapebias.seeds import seed_of


def attack_batches(
    model: Classifier, batches: Iterable[Batch], attack: Callable[..., Tensor], *, seed: int
) -> Iterator[Batch]:
    """Yield batches with every image replaced by an adversarial one.

    Parameters
    ----------
    model
        Network that is attacked.
    batches
        Image ids, pixels in [0, 1] of shape (image, 3, row, column), labels. The attack leads away
        from the label if it is a class of the network, and else from the predicted class.
    attack
        Plug-in of the family `attacks`.
    seed
        Together with an image's id, the seed of the image's random start.
    """
    index = {name: number for number, name in enumerate(model.classes)}
    folded = fold(model)
    for image_ids, images, labels in batches:
        images = images.to(device())
        with torch.no_grad():
            predicted = model(images).argmax(1)
        targets = [
            index.get(label, number)
            for label, number in zip(labels, predicted.tolist(), strict=True)
        ]
        # One generator per image, so that no image depends on the others of its batch.
        generators = [
            torch.Generator(images.device).manual_seed(seed_of(seed, "attack", image_id))
            for image_id in image_ids
        ]
        attacked = attack(folded, images, predicted.new_tensor(targets), generator=generators)
        yield image_ids, attacked, labels


def keep_examples(
    batches: Iterable[Batch], examples: list[dict[str, Any]], image_ids: Container[str]
) -> Iterator[Batch]:
    """Yield batches unchanged, and append the images of some ids to `examples`.

    Parameters
    ----------
    examples
        Rows of an image set: image_id, image (PNG) and label.
    image_ids
        Ids of the images to keep.
    """
    for batch in batches:
        for image_id, image, label in zip(*batch, strict=True):
            if image_id in image_ids:
                # ASSUME rounding to eight bits is good enough to look at; scores are not rounded.
                pixels = (image * 255).round().byte().permute(1, 2, 0).cpu().numpy()
                examples.append({"image_id": image_id, "image": encode_png(pixels), "label": label})
        yield batch
