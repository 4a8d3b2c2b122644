"""A network that a study trains: how it is built, and what it is trained on."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor

from shapebias.errors import ShapebiasError, UnknownName
from shapebias.networks.build import build_network
from shapebias.networks.checkpoints import check_weights_normalise_once, load_network
from shapebias.networks.classifier import Classifier
from shapebias.plugins import build
from shapebias.seeds import seed_of
from shapebias.training.image_loaders import (
    InMemoryImages,
    StreamedImages,
    load_images,
    read_labels,
)
from shapebias.training.recipes._base import Recipe
from shapebias.training.resume_state import TrainingState
from shapebias.training.settings import TrainingSettings
from shapebias.weights.match import match_state_dict

# Keys of a study's `training` that are not settings of the training loop.
NOT_OF_THE_LOOP = ("images", "validation", "recipe", "init_from", "devices", "precision", "memory")
# Weights, description and architecture of a network.
Start = tuple[str | Path, str | Path, dict[str, Any] | None]


# Not frozen: Fabric refuses to pass frozen dataclasses to processes.
@dataclass(kw_only=True)
class NetworkTraining:
    """A network of a study, and how it is trained.

    Parameters
    ----------
    paths, validation
        Parts of the image sets.
    name
        Name of the network; with `seed` it determines the initial weights and the order of images.
    training
        `recipe` (a plug-in), the settings of `shapebias.training.settings.TrainingSettings`, the
        number of `devices`, the `precision`, and the `memory` for images of each device, in GiB.
    architecture
        Kind and settings of a plug-in of the family `architectures`.
    input_size
        Side of the network's images in pixels; None is the size of the training images.
    attack
        Kind and settings of a plug-in of the family `attacks`, for recipes with an attack.
    seed
        Seed of the study.
    starts
        Weights, description and architecture of the network that the training starts from, or of
        each of an ensemble's two members. The architecture can be None if it is not a user's
        function.
    state
        Where the training is saved and resumed from.
    """

    paths: Sequence[str | Path]
    validation: Sequence[str | Path]
    name: str
    training: dict[str, Any]
    architecture: dict[str, Any]
    input_size: int | None
    attack: dict[str, Any] | None
    seed: int
    starts: Sequence[Start] = ()
    state: TrainingState | None = None

    @cached_property
    def classes(self) -> list[str]:
        """Labels of the training images, in alphabetical order."""
        return read_classes(self.paths)

    @cached_property
    def recipe(self) -> Recipe:
        """Recipe with its attack."""
        settings = {key: value for key, value in self.training["recipe"].items() if key != "attack"}
        if self.attack is not None:
            settings["attack"] = build("attacks", **self.attack)
        return build("recipes", **settings)

    @property
    def settings(self) -> TrainingSettings:
        """Settings of the training loop."""
        loop = {key: self.training[key] for key in self.training.keys() - NOT_OF_THE_LOOP}
        return TrainingSettings(seed=seed_of(self.seed, "order", self.name), **loop)

    def build_network(self, image_size: int) -> Classifier:
        """Build the network with its random initial weights, for images of a side in pixels."""
        torch.manual_seed(seed_of(self.seed, "weights", self.name))
        return build_network(self.architecture, self.classes, self.input_size or image_size)

    def load_starts(self, network: Classifier) -> None:
        """Replace a network's weights by those of the networks in `starts`, if there are any."""
        networks = [
            load_network(*files, architecture=architecture) for *files, architecture in self.starts
        ]
        if start := self.training.get("init_from"):
            _load_start(network, *networks, name=self.name, start_name=start)
        elif networks:
            _load_members(network, networks)

    def load_samples(
        self, paths: Sequence[str | Path], device: torch.device
    ) -> tuple[InMemoryImages | StreamedImages, Int[Tensor, " image"]]:
        """Open the images of an image set, and read their class indices."""
        index = {name: number for number, name in enumerate(self.classes)}
        labelled = read_labels(paths)
        for image_id, label in labelled:
            if label not in index:
                # The training images have no other labels.
                raise UnknownName(f"label of validation image {image_id!r}", label, self.classes)
        labels = torch.tensor([index[label] for _, label in labelled], device=device)
        memory = int(self.training.get("memory", 1) * 2**30)
        return load_images(paths, memory=memory, device=device), labels


def read_classes(paths: Sequence[str | Path]) -> list[str]:
    """Read the labels of training images, in alphabetical order.

    Raises
    ------
    ShapebiasError
        If an image has no label, or all have the same.
    """
    labelled = read_labels(paths)
    unlabelled = [image_id for image_id, label in labelled if label is None]
    if unlabelled:
        raise ShapebiasError(f"training image {unlabelled[0]!r} has no label")
    classes = sorted({label for _, label in labelled})
    if len(classes) == 1:
        raise ShapebiasError(
            f"all training images are of one class, {classes[0]!r}: training needs two or more"
        )
    return classes


def _load_start(network: Classifier, start: Classifier, *, name: str, start_name: str) -> None:
    if start.classes != network.classes:
        raise ShapebiasError(
            f"{name} cannot start from {start_name}, whose classes are "
            f"{_summary(start.classes)}: its training images show {_summary(network.classes)}"
        )
    weights = match_state_dict(
        network.network, start.network.state_dict(), f"the network {start_name}"
    )
    network.network.load_state_dict(weights)
    check_weights_normalise_once(network)


def _load_members(network: Classifier, members: list[Classifier]) -> None:
    """Load an ensemble's members, except for their last layers."""
    weights = network.network.state_dict()
    for prefix, member in zip(("first", "second"), members, strict=True):
        values = {f"{prefix}.{key}": value for key, value in member.network.state_dict().items()}
        weights |= {key: values[key] for key in weights if key.startswith(f"{prefix}.")}
    network.network.load_state_dict(weights)


def _summary(classes: Sequence[str]) -> str:
    return f"{len(classes)} classes ({', '.join(classes[:3])}, …)"
