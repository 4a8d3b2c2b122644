"""Train a network on the rows of an image set."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from shapebias.errors import ShapebiasError
from shapebias.io.provenance import current_code
from shapebias.networks.classifier import Classifier
from shapebias.training.fabric import Fabric, fabric_of, run_on_devices, spawns_processes
from shapebias.training.loop import Entry, Trainer
from shapebias.training.network_training import NetworkTraining
from shapebias.training.resume_state import TrainingState


def train_network(
    paths: Sequence[str | Path], validation: Sequence[str | Path], **settings: Any
) -> tuple[Classifier, pd.DataFrame]:
    """Train a network, from random weights or from the weights of other networks.

    Parameters
    ----------
    paths, validation
        Parts of the image sets; the network's classes are the labels of `paths`, in alphabetical
        order.
    settings
        The other fields of `shapebias.training.network_training.NetworkTraining`.

    Returns
    -------
    The trained network in eval mode, and its log: model, epoch, loss, accuracy,
    validation_accuracy, adversarial_accuracy, learning_rate, images_per_second.

    Raises
    ------
    ShapebiasError
        If an image has no label or the images differ in size; if a network in `starts` has another
        architecture or other classes; or for what `shapebias.training.loop.Trainer` raises.
    """
    job = NetworkTraining(paths=paths, validation=validation, **settings)
    fabric = fabric_of(
        devices=job.training.get("devices", 1), precision=job.training.get("precision", "float32")
    )
    if spawns_processes(fabric):
        trained = run_on_devices(fabric, _trained_weights, job)
        network = job.build_network(trained["input_size"])
        job.recipe.prepare(network)
        network.network.load_state_dict(trained["weights"])
        entries = trained["entries"]
    else:
        network, entries = run_on_devices(fabric, _train, job)
    log = pd.DataFrame(entries).assign(model=job.name)
    accuracies = {"validation_accuracy": float, "adversarial_accuracy": float}
    return network.eval(), log.astype(accuracies)


def state_beside(
    path_to_weights: str | Path, every: int, seconds: float, *, name: str, **settings: Any
) -> TrainingState:
    """Return the state of a training, in the folder of its weights.

    Parameters
    ----------
    path_to_weights
        File of the trained network's weights.
    every
        Number of epochs between two saves.
    seconds
        After this time without a save, the state is saved within an epoch.
    name, settings
        Fields of `NetworkTraining` besides images; the state is used with equal settings only.
    """
    identity = {"name": name, **settings, **current_code()}
    path = Path(path_to_weights).with_name("training_state.pt")
    return TrainingState(path, identity=identity, every=every, seconds=seconds)


def _train(fabric: Fabric, job: NetworkTraining) -> tuple[Classifier, list[Entry]]:
    sets = [
        job.load_samples(paths, fabric.device) for paths in (job.paths, job.validation) if paths
    ]
    sizes = [images.size() for images, _ in sets]
    if len(set(sizes)) > 1:
        raise ShapebiasError(
            f"training images are {sizes[0][1]}×{sizes[0][0]}, validation images "
            f"{sizes[1][1]}×{sizes[1][0]}: give both the same `resize` and `crop`"
        )
    network = job.build_network(sizes[0][1]).to(fabric.device)
    job.load_starts(network)
    (images, labels), *validation = sets
    settings = job.settings
    entries = Trainer(
        model=network,
        recipe=job.recipe,
        settings=settings,
        images=images,
        labels=labels,
        validation=validation[0] if validation else None,
        fabric=fabric,
        state=job.state,
        on_epoch=lambda entry: print(_line(entry, settings.epochs), flush=True),
    ).run()
    # In torch's usual layout, as a network that is built or loaded.
    return network.cpu().to(memory_format=torch.contiguous_format), entries


def _trained_weights(fabric: Fabric, job: NetworkTraining) -> dict[str, Any]:
    """Train in a child process, which returns only tensors and plain values."""
    network, entries = _train(fabric, job)
    weights = network.network.state_dict()
    return {"weights": weights, "entries": entries, "input_size": network.input_size}


def _line(entry: Entry, epochs: int) -> str:
    names = {"validation": "validation_accuracy", "under attack": "adversarial_accuracy"}
    accuracies = "".join(
        f", {words} {entry[key]:.1%}" for words, key in names.items() if entry[key] is not None
    )
    return (
        f"epoch {entry['epoch']} of {epochs}: loss {entry['loss']:.3f}, "
        f"accuracy {entry['accuracy']:.1%}{accuracies}, {entry['images_per_second']:.0f} images/s"
    )
