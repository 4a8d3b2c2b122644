"""Files and settings of networks: training, import, predictions and measurements."""

from collections.abc import Callable, Iterable
from typing import Any

from snakemake.io import expand

from planning.jobs.image_files import image_files
from planning.jobs.study import Entry, Study, without
from planning.networks.members import whole_architecture
from planning.networks.starts import starts_of
from planning.study.paths import expand_folders

# Settings of how often a training is saved; no result depends on them.
SAVING = ("save_every", "save_minutes")
# Megabytes of a training without its images, and for each GiB of images in memory.
BASE_MEMORY, MEMORY_PER_GIB = 3_000, 1_000


def weights_file(model: str) -> str:
    """Return the file with a network's weights."""
    return f"<results>/models/{model}/weights.safetensors"


def description_file(model: str) -> str:
    """Return the file that describes a network: architecture, classes, layers, provenance."""
    return f"<results>/models/{model}/model.json"


def training_files(study: Study, model: str) -> list[str]:
    """Return the files of the images that a network is trained on."""
    return image_files(study, study.models[model]["training"]["images"])


def validation_files(study: Study, model: str) -> list[str]:
    """Return the files of the images that a training is validated on; none without validation."""
    validation = study.models[model]["training"].get("validation")
    return image_files(study, validation) if validation else []


def start_files(study: Study, model: str, file_of: Callable[[str], str]) -> list[str]:
    """Return the weights or descriptions of the networks that a training starts from."""
    return [file_of(name) for name in starts_of(study.models, model)]


def architecture(study: Study, model: str) -> Entry:
    """Return a network's architecture; that of an ensemble includes its members' architectures."""
    return whole_architecture(study.models, model)


def start_architectures(study: Study, model: str) -> list[Entry]:
    """Return the architectures of the networks that a training starts from."""
    return [architecture(study, name) for name in starts_of(study.models, model)]


def training_devices(study: Study, model: str) -> int:
    """Return the number of devices that a network is trained on."""
    return study.models[model]["training"]["devices"]


def training_memory(study: Study, model: str, attempt: int) -> int:
    """Return the megabytes of a training job, which grow with each attempt."""
    training = study.models[model]["training"]
    images = MEMORY_PER_GIB * training["memory"] * training["devices"]
    return int((BASE_MEMORY + images) * attempt)


def training_settings(study: Study, model: str) -> Entry:
    """Return the training settings on which the trained network depends."""
    return without(study.models[model]["training"], *SAVING)


def epochs_between_saves(study: Study, model: str) -> int:
    """Return the number of epochs between two saves of a training."""
    return study.models[model]["training"]["save_every"]


def seconds_between_saves(study: Study, model: str) -> int:
    """Return the seconds after which a training is saved within an epoch."""
    return round(60 * study.models[model]["training"]["save_minutes"])


def training_attack(study: Study, model: str) -> Entry | None:
    """Return the settings of the attack that a network is trained with; None without one."""
    recipe = study.models[model]["training"]["recipe"]
    return study.config["attacks"][recipe["attack"]] if "attack" in recipe else None


def weights_path(study: Study, model: str) -> str | list[str]:
    """Return the path of published weights; none if they are named or come with a package."""
    path = study.models[model]["weights"].get("path")
    return expand_folders(path, study.config["folders"]) if path else []


def prediction_file(model: str, image_set: str) -> str:
    """Return the file with a network's predictions on an image set."""
    return f"<results>/predictions/{model}/{image_set}.parquet"


def prediction_files(study: Study, image_sets: Iterable[str]) -> list[str]:
    """Return the files with every network's predictions on each image set."""
    return [prediction_file(model, name) for model in study.models for name in image_sets]


def stage_files(
    study: Study, measurement: str, pattern: str, models: Iterable[str] | str | None = None
) -> list[str]:
    """Return a measurement's files, network by network; none if the study does not make it."""
    settings = study.measurement(measurement)
    if not settings:
        return []
    parts = range(settings["parts"] * settings["layer_groups"])
    return expand(pattern, model=list(study.models) if models is None else models, part=parts)


def measurement_memory(study: Study, measurement: str) -> Callable[[Any, int], int]:
    """Return a function of wildcards and attempt that gives the megabytes of a job."""

    def megabytes(wildcards: Any, attempt: int) -> int:
        return int(1_000 * study.measurements[measurement]["memory"] * attempt)

    return megabytes
