"""Files and settings of networks: training, import, predictions and measurements."""

from collections.abc import Callable, Iterable
from typing import Any

from snakemake.io import expand

from planning.jobs.image_files import image_files
from planning.jobs.study import Entry, Study, without
from planning.networks.starts import starts_of, whole_architecture
from planning.study.paths import expand_folders

# Settings that say when a training is saved, which changes no result.
SAVING = ("save_every", "save_minutes")
# Megabytes of a training without its images, and of each GiB of images in memory.
BASE_MEMORY, MEMORY_PER_GIB = 3_000, 1_000


def weights_file(model: str) -> str:
    """Weights of a network."""
    return f"<results>/models/{model}/weights.safetensors"


def description_file(model: str) -> str:
    """Description of a network: architecture, classes, layers, provenance."""
    return f"<results>/models/{model}/model.json"


def training_files(study: Study, model: str) -> list[str]:
    """Images that a network is trained on."""
    return image_files(study, study.models[model]["training"]["images"])


def validation_files(study: Study, model: str) -> list[str]:
    """Images that a training is validated on, if any."""
    validation = study.models[model]["training"].get("validation")
    return image_files(study, validation) if validation else []


def start_files(study: Study, model: str) -> list[str]:
    """Weights and description of each network that a training starts from."""
    return [
        file(name)
        for name in starts_of(study.models, model)
        for file in (weights_file, description_file)
    ]


def architecture(study: Study, model: str) -> Entry:
    """Settings of a network's architecture; an ensemble's with those of its members."""
    return whole_architecture(study.models, model)


def training_devices(study: Study, model: str) -> int:
    """Number of devices that a network is trained on."""
    return study.models[model]["training"]["devices"]


def training_memory(study: Study, model: str, attempt: int) -> int:
    """Megabytes of a training job, more at each attempt."""
    training = study.models[model]["training"]
    images = MEMORY_PER_GIB * training["memory"] * training["devices"]
    return int((BASE_MEMORY + images) * attempt)


def training_settings(study: Study, model: str) -> Entry:
    """Settings that a trained network follows from."""
    return without(study.models[model]["training"], *SAVING)


def epochs_between_saves(study: Study, model: str) -> int:
    """Epochs after which a training is saved."""
    return study.models[model]["training"]["save_every"]


def seconds_between_saves(study: Study, model: str) -> int:
    """Seconds after which a training is saved within an epoch."""
    return round(60 * study.models[model]["training"]["save_minutes"])


def training_attack(study: Study, model: str) -> Entry | None:
    """Settings of the attack that a recipe trains on, if any."""
    recipe = study.models[model]["training"]["recipe"]
    return study.config["attacks"][recipe["attack"]] if "attack" in recipe else None


def weights_path(study: Study, model: str) -> str | list[str]:
    """Path of a network's published weights; no file where they come by name or package."""
    path = study.models[model]["weights"].get("path")
    return expand_folders(path, study.config["folders"]) if path else []


def prediction_file(model: str, image_set: str) -> str:
    """Predictions of a network on an image set."""
    return f"<results>/predictions/{model}/{image_set}.parquet"


def prediction_files(study: Study, image_sets: Iterable[str]) -> list[str]:
    """Predictions of every network on each image set."""
    return [prediction_file(model, name) for model in study.models for name in image_sets]


def stage_files(
    study: Study, measurement: str, pattern: str, models: Iterable[str] | str | None = None
) -> list[str]:
    """A measurement's files of networks and parts, network by network; none if it is not made."""
    settings = study.measurement(measurement)
    if not settings:
        return []
    parts = range(settings["parts"] * settings["layer_groups"])
    return expand(pattern, model=list(study.models) if models is None else models, part=parts)


def measurement_memory(study: Study, measurement: str) -> Callable[[Any, int], int]:
    """Return a function that gives the megabytes of a measurement's job, more at each attempt."""

    def megabytes(wildcards: Any, attempt: int) -> int:
        return int(1_000 * study.measurements[measurement]["memory"] * attempt)

    return megabytes
