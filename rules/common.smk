# Lookups that several rooms share: the study, its fingerprints of code, and where things are.

import re
import sys
from pathlib import Path

from rules.fingerprints import fingerprint
from rules.listings import listing
from rules.plugins import settings_of
from rules.own_code import digest_of_module
from rules.networks import plugins_of_network, starts_of, whole_architecture
from rules.study import (
    StudyError,
    check_files,
    download_folder,
    downloads_among,
    expand_folders,
    paths_among,
    plugin_settings,
    read_study,
)
from shapebias.plugins import NESTED

try:
    config.update(read_study(config, whole=bool(workflow.configfiles)))
    check_files(config)
except StudyError as error:
    sys.exit(f"error in the study: {error}")

IMAGES = config["images"]
MODELS = list(config["models"])
PAIRS = config["pairs"]
MEASURED = config["measurements"]
SOURCES = [name for name, entry in IMAGES.items() if "kind" in entry]
ADVERSARIAL = [name for name, entry in IMAGES.items() if "attack" in entry]
UNSTORED = [
    name
    for name, entry in IMAGES.items()
    if "from" in entry and not entry["materialize"]
]
STORED = [name for name in IMAGES if name not in [*SOURCES, *ADVERSARIAL, *UNSTORED]]


def one_of(names):
    """Wildcard constraint: one of these names, or nothing at all where there are none."""
    return "|".join(map(re.escape, names)) or "(?!)"


def code_of(script, *plugins):
    """Fingerprint of what a job runs, with the study and seed that its outputs record.

    Each of `plugins` is a function of the wildcards that gives pairs of family and kind; the
    family `own` is that of a user's modules.
    """

    def found(wildcards):
        pairs = [pair for pairs in plugins for pair in pairs(wildcards)]
        own = [digest_of_module(kind) for family, kind in pairs if family == "own"]
        return {
            "study": config["name"],
            "seed": config["seed"],
            "fingerprint": fingerprint(
                script, tuple(pair for pair in pairs if pair[0] != "own")
            ),
            **({"own_code": own} if own else {}),
        }

    return found


def plugins_of_source(wildcards):
    return [("images", IMAGES[wildcards.image_set]["kind"])]


def plugins_of_transform(wildcards):
    transform = IMAGES[wildcards.image_set].get("transform")
    if not transform:
        return []
    found = [("transforms", transform["kind"])]
    found += [
        (family, transform[key]["kind"])
        for key, family in NESTED.items()
        if key in transform
    ]
    if "segmenter" in transform:
        found.append(
            ("segmenters", config["segmenters"][transform["segmenter"]]["kind"])
        )
        found.append(("", "segmenter_files"))
    return found


def plugins_of_segmenter(wildcards):
    return [("segmenters", config["segmenters"][wildcards.segmenter]["kind"])]


def plugins_of_attack(wildcards):
    return [
        ("attacks", config["attacks"][IMAGES[wildcards.image_set]["attack"]]["kind"])
    ]


def plugins_of_model(wildcards):
    return plugins_of_network(config["models"], wildcards.model)


def plugins_of_weights(wildcards):
    named = "name" in config["models"][wildcards.model]["weights"]
    return [("", "torchvision_weights")] if named else []


def plugins_of_training(wildcards):
    recipe = config["models"][wildcards.model]["training"]["recipe"]
    found = [("training", recipe["kind"])]
    if "attack" in recipe:
        found.append(("attacks", config["attacks"][recipe["attack"]]["kind"]))
    return found


def plugins_of_figure(wildcards):
    shows_images = wildcards.figure == "example_stimuli"
    return [("figures", wildcards.figure)] + (
        [("", "examples")] if shows_images else []
    )


def source_settings(entry):
    """Settings of a source's plug-in, with the study's seed where it takes one."""
    settings = plugin_settings(config, "images", entry)
    if "seed" in settings_of("images", entry["kind"]):
        settings.setdefault("seed", config["seed"])
    return settings


def content_of_folder(entry):
    """Digests of the folders that a source reads; none where the workflow brings or makes them."""
    settings = source_settings(entry)
    return [
        listing(settings[key])
        for key in paths_among("images", settings)
        if not downloads_among(entry[key], config["folders"])
    ]


def downloads_of(entry):
    """Notes on the downloads that a source reads."""
    return [
        f"{folder}/content.json"
        for key in paths_among("images", entry)
        for folder in downloads_among(entry[key], config["folders"])
    ]
