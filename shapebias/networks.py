"""Networks made by the workflow: trained on the rows of an image set."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch import Tensor

from shapebias.batching import device
from shapebias.classifier import Classifier
from shapebias.errors import ShapebiasError, UnknownName
from shapebias.fitting import fit
from shapebias.imagesets import stack
from shapebias.plugins import build
from shapebias.progress import count_images
from shapebias.provenance import current
from shapebias.seeds import seed_of
from shapebias.training_state import TrainingState

# Keys of a study's `training` that say on what and where, not how.
NOT_OF_THE_LOOP = ("images", "validation", "recipe", "save_every")


def train_network(
    rows: Sequence[dict[str, Any]],
    validation: Sequence[dict[str, Any]],
    *,
    name: str,
    architecture: dict[str, Any],
    input_size: int | None,
    training: dict[str, Any],
    attack: dict[str, Any] | None,
    seed: int,
    state: TrainingState | None = None,
) -> tuple[Classifier, pd.DataFrame]:
    """Train a network from random weights.

    Parameters
    ----------
    rows, validation
        Rows with `pixels` and `label`; the network's classes are the labels of `rows`, in
        alphabetical order.
    name
        The network's name; with `seed` it determines its first weights and the order of images.
    architecture
        `kind` and settings of a plug-in in `models`.
    input_size
        Side of its images in pixels; that of the training images where None.
    training
        `recipe` (a plug-in in `training`), and the settings of `fit`.
    attack
        `kind` and settings of a plug-in in `attacks`, for recipes that take one.
    state
        Where the training is saved on its way.

    Returns
    -------
    The trained network in eval mode, and its log: model, epoch, loss, accuracy,
    validation_accuracy, learning_rate.
    """
    unlabelled = [row["image_id"] for row in rows if row["label"] is None]
    if unlabelled:
        raise ShapebiasError(f"training image {unlabelled[0]!r} has no label")
    sizes = [some[0]["pixels"].shape[:2] for some in (rows, validation) if some]
    if len(set(sizes)) > 1:
        raise ShapebiasError(
            f"training images are {sizes[0][1]}×{sizes[0][0]}, validation images "
            f"{sizes[1][1]}×{sizes[1][0]}: give both the same `resize` and `crop`"
        )
    classes = sorted({row["label"] for row in rows})
    images, labels = _tensors(rows, classes)
    torch.manual_seed(seed_of(seed, "weights", name))
    network = build(
        "models", classes=classes, input_size=input_size or images.shape[-1], **architecture
    ).to(device())
    settings = {key: value for key, value in training.items() if key not in NOT_OF_THE_LOOP}
    log = fit(
        network,
        images,
        labels,
        recipe=_recipe(training["recipe"], attack),
        seed=seed_of(seed, "order", name),
        validation=_tensors(validation, classes) if validation else None,
        state=state,
        progress=lambda entry: _tell(entry, training["epochs"], len(images)),
        **settings,
    )
    frame = pd.DataFrame(log).drop(columns="images_per_second").assign(model=name)
    return network.eval(), frame.astype({"validation_accuracy": float})


def state_beside(path_to_weights: str | Path, *, name: str, **settings: Any) -> TrainingState:
    """State of a training, in the folder of its weights; it is of these settings alone.

    Parameters
    ----------
    path_to_weights
        File that the trained network will have.
    name, settings
        What `train_network` takes besides images.
    """
    training = dict(settings["training"])
    every = training.pop("save_every", 1)
    identity = {"name": name, **settings, "training": training, **current()}
    return TrainingState(
        Path(path_to_weights).with_name("training_state.pt"), identity=identity, every=every
    )


def _recipe(settings: dict[str, Any], attack: dict[str, Any] | None) -> Any:
    settings = {key: value for key, value in settings.items() if key != "attack"}
    if attack is not None:
        settings["attack"] = build("attacks", **attack)
    return build("training", **settings)


def _tensors(rows: Sequence[dict[str, Any]], classes: list[str]) -> tuple[Tensor, Tensor]:
    index = {name: number for number, name in enumerate(classes)}
    for row in rows:
        if row["label"] not in index:
            raise UnknownName(f"label of image {row['image_id']!r}", row["label"], classes)
    images = torch.from_numpy(stack(rows)).contiguous().to(device())
    return images, torch.tensor([index[row["label"]] for row in rows], device=device())


def _tell(entry: dict[str, Any], epochs: int, images: int) -> None:
    count_images(f"epoch {entry['epoch']}", images)
    print(_line(entry, epochs), flush=True)


def _line(entry: dict[str, Any], epochs: int) -> str:
    validation = entry["validation_accuracy"]
    scored = "" if validation is None else f", validation {validation:.1%}"
    return (
        f"epoch {entry['epoch']} of {epochs}: loss {entry['loss']:.3f}, "
        f"accuracy {entry['accuracy']:.1%}{scored}, {entry['images_per_second']:.0f} images/s"
    )
