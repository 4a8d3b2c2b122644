"""Files of image sets, concept sets and segmenters, and the settings that derive them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from planning.jobs.study import Entry, Study
from planning.study.paths import (
    download_folder,
    downloads_among,
    expand_folders,
    paths_among,
    plugin_settings,
)
from planning.study.plugin_settings import settings_of
from shapebias.plugins import NESTED


def stored_set(study: Study, image_set: str) -> str:
    """Return the set whose files contain the images: the set, or its source if it is not stored."""
    unstored = image_set in [*study.unstored_sets, *study.adversarial_sets]
    return stored_set(study, study.images[image_set]["from"]) if unstored else image_set


def n_parts(study: Study, image_set: str) -> int:
    """Return the number of files of an image set, which is that of its source."""
    entry = study.images[image_set]
    return n_parts(study, entry["from"]) if "from" in entry else entry["parts"]


def image_files(study: Study, image_set: str) -> list[str]:
    """Return the files of an image set, or of its source if it is not stored."""
    folder = f"<results>/images/{stored_set(study, image_set)}"
    return [f"{folder}/part-{part}.parquet" for part in range(n_parts(study, image_set))]


def concept_files(study: Study, concept_set: str) -> list[str]:
    """Return the files of a concept set."""
    parts = study.concepts[concept_set]["parts"]
    return [f"<results>/concepts/{concept_set}/part-{part}.parquet" for part in range(parts)]


def dissected_concept_files(study: Study) -> list[str]:
    """Return the files of the concept set of the dissection; none without dissection."""
    dissection = study.measurement("dissection")
    return concept_files(study, dissection["concepts"]) if dissection else []


def rejecting_files(study: Study) -> list[tuple[str, str]]:
    """Return name and file of every set that can lack images of its source."""
    images = [(name, file) for name in study.filtered_sets for file in image_files(study, name)]
    concepts = [(name, file) for name in study.concepts for file in concept_files(study, name)]
    return images + concepts


def style_files(study: Study, image_set: str) -> list[str]:
    """Return the files of the style images that an image set's transform uses."""
    styles = study.images[image_set].get("transform", {}).get("styles")
    return image_files(study, styles) if styles else []


def segmenter_file(segmenter: str) -> str:
    """Return the file with a segmentation network's weights."""
    return f"<results>/segmenters/{segmenter}/segmenter.safetensors"


def segmenter_files(study: Study, image_set: str) -> list[str]:
    """Return the weights of the segmentation network that an image set's transform uses."""
    segmenter = study.images[image_set].get("transform", {}).get("segmenter")
    return [segmenter_file(segmenter)] if segmenter else []


def segmenter_settings(study: Study, segmenter: str) -> Entry:
    """Return kind and settings of a segmenter's plug-in."""
    return plugin_settings(study.config, "segmenters", study.segmenters[segmenter])


def segmenter_weights(study: Study, segmenter: str) -> str:
    """Return the path of a segmenter's published weights."""
    path = study.segmenters[segmenter]["weights"]["path"]
    return expand_folders(path, study.config["folders"])


def transform_settings(study: Study, image_set: str) -> Entry:
    """Return the settings of a transform and of its nested plug-ins, with expanded paths."""
    entry = study.images[image_set]["transform"]
    nested = {
        key: plugin_settings(study.config, NESTED[key], entry[key])
        for key in NESTED
        if key in entry
    }
    return plugin_settings(study.config, "transforms", entry) | nested


def transform_files(study: Study, image_set: str) -> list[str]:
    """Return the user's files that a transform reads: weights and pictures."""
    transform = transform_settings(study, image_set)
    plugins = [("transforms", transform)]
    plugins += [(NESTED[key], transform[key]) for key in NESTED if key in transform]
    return [settings[key] for family, settings in plugins for key in paths_among(family, settings)]


def if_unstored(
    study: Study, function: Callable[[Study, str], Any], image_set: str, otherwise: Any = ()
) -> Any:
    """Return a function of an image set if the set is not stored; else `otherwise`."""
    return function(study, image_set) if image_set in study.unstored_sets else otherwise


def attack_settings(study: Study, image_set: str) -> Entry:
    """Return the settings of the attack that makes an image set."""
    return study.config["attacks"][study.images[image_set]["attack"]]


def source_settings(study: Study, entry: Entry) -> Entry:
    """Return the settings of a source's plug-in, with the study's seed if it takes one."""
    settings = plugin_settings(study.config, "datasets", entry)
    if "seed" in settings_of("datasets", entry["kind"]):
        settings.setdefault("seed", study.config["seed"])
    return settings


def downloads(study: Study) -> dict[str, Entry]:
    """Return the settings of the downloads, by the name of their folder."""
    return {
        Path(download_folder(folder)).name: folder
        for folder in study.config["folders"].values()
        if not isinstance(folder, str)
    }


def download_records(study: Study, entry: Entry) -> list[str]:
    """Return the records of the downloads that a source reads."""
    return [
        f"{folder}/content.json"
        for key in paths_among("datasets", entry)
        for folder in downloads_among(entry[key], study.config["folders"])
    ]
