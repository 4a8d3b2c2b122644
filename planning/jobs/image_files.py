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
    """Image set whose files hold the images: itself, or its source where it is not stored."""
    unstored = image_set in [*study.unstored_sets, *study.adversarial_sets]
    return stored_set(study, study.images[image_set]["from"]) if unstored else image_set


def n_parts(study: Study, image_set: str) -> int:
    """Number of files of an image set, which is that of its source."""
    entry = study.images[image_set]
    return n_parts(study, entry["from"]) if "from" in entry else entry["parts"]


def image_files(study: Study, image_set: str) -> list[str]:
    """Files of an image set, or of the set that it is made from while reading."""
    folder = f"<results>/images/{stored_set(study, image_set)}"
    return [f"{folder}/part-{part}.parquet" for part in range(n_parts(study, image_set))]


def concept_files(study: Study, concept_set: str) -> list[str]:
    """Files of a concept set."""
    parts = study.concepts[concept_set]["parts"]
    return [f"<results>/concepts/{concept_set}/part-{part}.parquet" for part in range(parts)]


def dissected_concept_files(study: Study) -> list[str]:
    """Files of the concept set that networks are dissected with; none without dissection."""
    dissection = study.measurement("dissection")
    return concept_files(study, dissection["concepts"]) if dissection else []


def rejecting_files(study: Study) -> list[tuple[str, str]]:
    """Set and file of everything that can lack images of its source."""
    images = [(name, file) for name in study.filtered_sets for file in image_files(study, name)]
    concepts = [(name, file) for name in study.concepts for file in concept_files(study, name)]
    return images + concepts


def style_files(study: Study, image_set: str) -> list[str]:
    """Files of the style images that an image set's transform uses."""
    styles = study.images[image_set].get("transform", {}).get("styles")
    return image_files(study, styles) if styles else []


def segmenter_file(segmenter: str) -> str:
    """Weights of a segmentation network."""
    return f"<results>/segmenters/{segmenter}/segmenter.safetensors"


def segmenter_files(study: Study, image_set: str) -> list[str]:
    """File of the segmentation network that an image set's transform uses."""
    segmenter = study.images[image_set].get("transform", {}).get("segmenter")
    return [segmenter_file(segmenter)] if segmenter else []


def segmenter_settings(study: Study, segmenter: str) -> Entry:
    """Kind and settings of a segmenter's plug-in."""
    return plugin_settings(study.config, "segmenters", study.segmenters[segmenter])


def segmenter_weights(study: Study, segmenter: str) -> str:
    """Path of a segmenter's published weights."""
    path = study.segmenters[segmenter]["weights"]["path"]
    return expand_folders(path, study.config["folders"])


def transform_settings(study: Study, image_set: str) -> Entry:
    """Settings of an image set's transform and of the plug-ins in it, with paths expanded."""
    entry = study.images[image_set]["transform"]
    nested = {
        key: plugin_settings(study.config, NESTED[key], entry[key])
        for key in NESTED
        if key in entry
    }
    return plugin_settings(study.config, "transforms", entry) | nested


def transform_files(study: Study, image_set: str) -> list[str]:
    """Files that a transform's plug-ins read: weights and pictures from elsewhere."""
    transform = transform_settings(study, image_set)
    holders = [("transforms", transform)]
    holders += [(NESTED[key], transform[key]) for key in NESTED if key in transform]
    return [settings[key] for family, settings in holders for key in paths_among(family, settings)]


def if_unstored(
    study: Study, found: Callable[[Study, str], Any], image_set: str, otherwise: Any = ()
) -> Any:
    """Call a function of an image set that is made while reading; else return `otherwise`."""
    return found(study, image_set) if image_set in study.unstored_sets else otherwise


def attack_settings(study: Study, image_set: str) -> Entry:
    """Settings of the attack that makes an image set."""
    return study.config["attacks"][study.images[image_set]["attack"]]


def source_settings(study: Study, entry: Entry) -> Entry:
    """Settings of a source's plug-in, with the study's seed where it takes one."""
    settings = plugin_settings(study.config, "datasets", entry)
    if "seed" in settings_of("datasets", entry["kind"]):
        settings.setdefault("seed", study.config["seed"])
    return settings


def downloads(study: Study) -> dict[str, Entry]:
    """Image sets that the workflow downloads, by the name of their folder."""
    return {
        Path(download_folder(folder)).name: folder
        for folder in study.config["folders"].values()
        if not isinstance(folder, str)
    }


def download_notes(study: Study, entry: Entry) -> list[str]:
    """Records of the downloads that a source reads."""
    return [
        f"{folder}/content.json"
        for key in paths_among("datasets", entry)
        for folder in downloads_among(entry[key], study.config["folders"])
    ]
