"""Networks made by the workflow: trained on the rows of an image set."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch import Tensor

from shapebias.errors import ShapebiasError, UnknownName
from shapebias.io.provenance import current_code
from shapebias.networks.build import build_network
from shapebias.networks.checkpoints import check_weights_normalise_once, load_network
from shapebias.networks.classifier import Classifier
from shapebias.plugins import build
from shapebias.seeds import seed_of
from shapebias.training.fabric import Fabric, fabric_of, run_on_devices
from shapebias.training.image_loaders import InMemoryImages, StreamedImages, labels_in, samples_of
from shapebias.training.loop import train
from shapebias.training.resume_state import TrainingState
from shapebias.weights.match import match_state_dict

# Keys of a study's `training` that say on what, where from and with what means, not how.
NOT_OF_THE_LOOP = ("images", "validation", "recipe", "init_from", "devices", "precision", "memory")
# Weights and description of a trained network.
Files = tuple[str | Path, str | Path]


def train_network(
    paths: Sequence[str | Path],
    validation: Sequence[str | Path],
    *,
    name: str,
    training: dict[str, Any],
    starts: Sequence[Files] = (),
    state: TrainingState | None = None,
    **settings: Any,
) -> tuple[Classifier, pd.DataFrame]:
    """Train a network, from random weights or from those of others.

    Parameters
    ----------
    paths, validation
        Parts of the image sets; the network's classes are the labels of `paths`, in alphabetical
        order.
    name
        The network's name; with `seed` it determines its first weights and the order of images.
    training
        `recipe` (a plug-in in `training`), the settings of `train`, the number of `devices`, the
        `precision`, and `memory` for images, in GiB.
    starts
        Files of the network that the training starts from, or of an ensemble's two members.
    state
        Where the training is saved on its way.
    settings
        `architecture` (kind and settings of a plug-in in `models`), `input_size` (side of its
        images in pixels; that of the training images where None), `attack` (kind and settings of a
        plug-in in `attacks`, for recipes that take one) and `seed`.

    Returns
    -------
    The trained network in eval mode, and its log: model, epoch, loss, accuracy,
    validation_accuracy, adversarial_accuracy, learning_rate, images_per_second.

    Raises
    ------
    ShapebiasError
        If an image has no label or the images differ in size; if a start is of another
        architecture or of other classes; or for what `train` raises.
    """
    fabric = fabric_of(
        devices=training.get("devices", 1), precision=training.get("precision", "float32")
    )
    classes = classes_in(paths)
    job = {"name": name, "classes": classes, "training": training, "state": state, **settings}
    job |= {"starts": list(starts), "paths": list(paths), "validation": list(validation)}
    trained = run_on_devices(fabric, _trained, job)
    network = _network(job, trained["input_size"])
    _recipe(training["recipe"], settings["attack"]).prepare(network)
    network.network.load_state_dict(match_state_dict(network.network, trained["weights"], name))
    frame = pd.DataFrame(trained["log"]).assign(model=name)
    numbers = {"validation_accuracy": float, "adversarial_accuracy": float}
    return network.eval(), frame.astype(numbers)


def classes_in(paths: Sequence[str | Path]) -> list[str]:
    """Labels of training images, in alphabetical order: two or more, and every image has one."""
    labelled = labels_in(paths)
    unlabelled = [image_id for image_id, label in labelled if label is None]
    if unlabelled:
        raise ShapebiasError(f"training image {unlabelled[0]!r} has no label")
    classes = sorted({label for _, label in labelled})
    if len(classes) == 1:
        raise ShapebiasError(
            f"all training images are of one class, {classes[0]!r}: there is nothing to tell apart"
        )
    return classes


def state_beside(
    path_to_weights: str | Path, every: int, seconds: float, *, name: str, **settings: Any
) -> TrainingState:
    """State of a training, in the folder of its weights; it is of these settings alone.

    Parameters
    ----------
    path_to_weights
        File that the trained network will have.
    every
        Epochs between two savings.
    seconds
        After so long without a saving, the state is saved in the midst of an epoch.
    name, settings
        What `train_network` takes besides images.
    """
    identity = {"name": name, **settings, **current_code()}
    path = Path(path_to_weights).with_name("training_state.pt")
    return TrainingState(path, identity=identity, every=every, seconds=seconds)


def _trained(fabric: Fabric, job: dict[str, Any]) -> dict[str, Any]:
    """Weights and log of a training, on one of its devices."""
    training, name, device = job["training"], job["name"], fabric.device
    sets = [
        _samples(job[key], job["classes"], training.get("memory", 1), device)
        for key in ("paths", "validation")
        if job[key]
    ]
    sizes = [samples.size() for samples, _ in sets]
    if len(set(sizes)) > 1:
        raise ShapebiasError(
            f"training images are {sizes[0][1]}×{sizes[0][0]}, validation images "
            f"{sizes[1][1]}×{sizes[1][0]}: give both the same `resize` and `crop`"
        )
    network = _network(job, sizes[0][1]).to(device)
    _begin(network, job)
    settings = {key: value for key, value in training.items() if key not in NOT_OF_THE_LOOP}
    log = train(
        network,
        *sets[0],
        recipe=_recipe(training["recipe"], job["attack"]),
        seed=seed_of(job["seed"], "order", name),
        validation=sets[1] if len(sets) > 1 else None,
        state=job["state"],
        fabric=fabric,
        progress=lambda entry: print(_line(entry, training["epochs"]), flush=True),
        **settings,
    )
    weights = {key: value.cpu() for key, value in network.network.state_dict().items()}
    return {"weights": weights, "log": log, "input_size": network.input_size}


def _network(job: dict[str, Any], image_size: int) -> Classifier:
    torch.manual_seed(seed_of(job["seed"], "weights", job["name"]))
    size = job["input_size"] or image_size
    return build_network(job["architecture"], job["classes"], size)


def _begin(network: Classifier, job: dict[str, Any]) -> None:
    """Put the weights of other networks of the study into a new one, where it starts from them."""
    starts = [load_network(*files) for files in job["starts"]]
    if job["training"].get("init_from"):
        (start,) = starts
        if start.classes != network.classes:
            raise ShapebiasError(
                f"{job['name']} cannot start from {job['training']['init_from']}, which knows "
                f"{_few(start.classes)}: its training images show {_few(network.classes)}"
            )
        weights = start.network.state_dict()
        network.network.load_state_dict(
            match_state_dict(
                network.network, weights, f"the network {job['training']['init_from']}"
            )
        )
        check_weights_normalise_once(network)
    elif starts:
        _join(network, starts)


def _join(network: Classifier, members: list[Classifier]) -> None:
    """Give an ensemble its members' weights, but for those of their last layers."""
    own = network.network.state_dict()
    for place, member in zip(("first", "second"), members, strict=True):
        found = {f"{place}.{key}": value for key, value in member.network.state_dict().items()}
        wanted = [key for key in own if key.startswith(f"{place}.")]
        own |= {key: found[key] for key in wanted}
    network.network.load_state_dict(own)


def _recipe(settings: dict[str, Any], attack: dict[str, Any] | None) -> Any:
    settings = {key: value for key, value in settings.items() if key != "attack"}
    if attack is not None:
        settings["attack"] = build("attacks", **attack)
    return build("recipes", **settings)


def _samples(
    paths: Sequence[str | Path], classes: list[str], memory: float, device: torch.device
) -> tuple[InMemoryImages | StreamedImages, Tensor]:
    index = {name: number for number, name in enumerate(classes)}
    labelled = labels_in(paths)
    for image_id, label in labelled:
        if label not in index:
            # The classes are the training images' own.
            raise UnknownName(f"label of validation image {image_id!r}", label, classes)
    labels = torch.tensor([index[label] for _, label in labelled], device=device)
    return samples_of(paths, memory=int(memory * 2**30), device=device), labels


def _few(classes: Sequence[str]) -> str:
    return f"{len(classes)} classes ({', '.join(classes[:3])}, …)"


def _line(entry: dict[str, Any], epochs: int) -> str:
    shown = {"validation": "validation_accuracy", "under attack": "adversarial_accuracy"}
    scored = "".join(
        f", {words} {entry[key]:.1%}" for words, key in shown.items() if entry[key] is not None
    )
    return (
        f"epoch {entry['epoch']} of {epochs}: loss {entry['loss']:.3f}, "
        f"accuracy {entry['accuracy']:.1%}{scored}, {entry['images_per_second']:.0f} images/s"
    )
