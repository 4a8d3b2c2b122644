# Lookups that several rooms share: the study, its fingerprints of code, and where things are.

import os
import re
import sys
from pathlib import Path

from rules.digests import DIGESTS
from rules.failures import told
from rules.fingerprints import fingerprint, packages
from rules.levels import curves
from rules.listings import listing
from rules.packages import changes, note, noted
from rules.plugins import settings_of
from rules.own_code import digest_of_module
from rules.networks import plugins_of_network, starts_of, whole_architecture
from rules.mistakes import StudyError
from rules.paths import (
    check_files,
    download_folder,
    downloads_among,
    expand_folders,
    paths_among,
    plugin_settings,
)
from rules.study import read_study
from rules.upkeep import closed, finish, prepare
from rules.values import check_values
from shapebias.plugins import NESTED
from shapebias.records import record_path, recorded
from shapebias.torchvision_names import LISTED

try:
    study = read_study(config, whole=bool(workflow.configfiles))
    # Emptied first: its keys would else keep the order of the file.
    config.clear()
    config.update(study)
    check_files(config)
    if workflow.is_main_process:
        check_values(config, list(map(Path, workflow.configfiles)))
except StudyError as error:
    sys.exit(f"error in the study: {error}")

# Jobs parse this as well, and find what the main process has prepared.
if workflow.is_main_process:
    if os.environ.get("SHAPEBIAS_RENEW"):
        note(config["name"], anew=True)
    for said in prepare(config["name"]) + changes(config["name"]):
        print(f"note: {said}", file=sys.stderr)
VERSIONS = noted(config["name"])


onstart:
    if folder := closed(config["name"]):
        sys.exit(
            f"error: {folder} is read-only for you: make it writable, or run a copy"
        )
    note(config["name"])


onsuccess:
    finish(config["name"])


onerror:
    print(told(log), file=sys.stderr)
    finish(config["name"])


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

    With it go the versions of the packages that it imports, as they are noted for the study.

    Each of `plugins` is a function of the wildcards that gives pairs of family and kind; the
    family `own` is that of a user's modules.
    """

    def code(wildcards):
        pairs = [pair for pairs in plugins for pair in pairs(wildcards)]
        own = [digest_of_module(kind) for family, kind in pairs if family == "own"]
        named = tuple(pair for pair in pairs if pair[0] != "own")
        return {
            "study": config["name"],
            "seed": config["seed"],
            "fingerprint": fingerprint(script, named),
            "packages": {
                name: VERSIONS.get(name, "absent") for name in packages(script, named)
            },
            **({"own_code": own} if own else {}),
        }

    return code


def entry(path, *, optional=False):
    """Function of the wildcards that gives one entry of the study; None where it may be absent.

    Snakemake's own `lookup` goes through the whole study each time.
    """

    def found(wildcards):
        place = config
        for step in path.format_map(dict(wildcards.items())).split("/"):
            place = place.get(step) if optional and place is not None else place[step]
        return place

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
    entry = config["models"][wildcards.model]
    may_be_known = entry["architecture"]["kind"] in LISTED
    return [("", "torchvision_weights")] if may_be_known else []


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


def content_of_files(files):
    """Digests of the files that a job reads from elsewhere, from the function that names them.

    The engine overlooks another content that has an older time.
    """

    def content(wildcards):
        named = files(wildcards)
        paths = [named] if isinstance(named, str) else named
        return [listing(path) for path in paths if record_path(path) is None]

    return content


def downloads_of(entry):
    """Notes on the downloads that a source reads."""
    return [
        f"{folder}/content.json"
        for key in paths_among("images", entry)
        for folder in downloads_among(entry[key], config["folders"])
    ]
