# Lookups that several rooms share: the study, its fingerprints of code, and where things are.

import re
import sys

from rules.fingerprints import fingerprint
from rules.listings import listing
from rules.plugins import settings_of
from rules.study import StudyError, expand_folders, read_study

try:
    config.update(read_study(config))
except StudyError as error:
    sys.exit(f"error in the study: {error}")

IMAGES = config["images"]
MODELS = list(config["models"])
PAIRS = config["pairs"]
MEASURED = config["measurements"]
SOURCES = [name for name, entry in IMAGES.items() if "kind" in entry]
ADVERSARIAL = [name for name, entry in IMAGES.items() if "attack" in entry]
UNSTORED = [name for name, entry in IMAGES.items() if "from" in entry and not entry["materialize"]]
STORED = [name for name in IMAGES if name not in [*SOURCES, *ADVERSARIAL, *UNSTORED]]


def one_of(names):
    """Wildcard constraint: one of these names, or nothing at all where there are none."""
    return "|".join(map(re.escape, names)) or "(?!)"


def code_of(script, *plugins):
    """Fingerprint of what a job runs, with the study and seed that its outputs record.

    Each of `plugins` is a function of the wildcards that gives pairs of family and kind.
    """
    return lambda wildcards: {
        "study": config["name"],
        "seed": config["seed"],
        "fingerprint": fingerprint(
            script, tuple(pair for pairs in plugins for pair in pairs(wildcards))
        ),
    }


def plugins_of_source(wildcards):
    return [("images", IMAGES[wildcards.image_set]["kind"])]


def plugins_of_transform(wildcards):
    transform = IMAGES[wildcards.image_set].get("transform")
    if not transform:
        return []
    found = [("transforms", transform["kind"])]
    if "stylizer" in transform:
        found.append(("stylizers", transform["stylizer"]["kind"]))
    if "segmenter" in transform:
        found.append(("segmenters", config["segmenters"][transform["segmenter"]]["kind"]))
        found.append(("", "segmenter_files"))
    return found


def plugins_of_attack(wildcards):
    return [("attacks", config["attacks"][IMAGES[wildcards.image_set]["attack"]]["kind"])]


def plugins_of_model(wildcards):
    return [("models", config["models"][wildcards.model]["architecture"]["kind"])]


def plugins_of_training(wildcards):
    recipe = config["models"][wildcards.model]["training"]["recipe"]
    found = [("training", recipe["kind"])]
    if "attack" in recipe:
        found.append(("attacks", config["attacks"][recipe["attack"]]["kind"]))
    return found


def source_settings(entry):
    """Settings of a source's plug-in: the study's seed where it takes one, folders by their path."""
    reserved = {"kind", "parts", "resize", "crop", "materialize"}
    settings = {key: value for key, value in entry.items() if key not in reserved}
    if "seed" in settings_of("images", entry["kind"]):
        settings.setdefault("seed", config["seed"])
    if "path" in settings:
        settings["path"] = expand_folders(settings["path"], config["folders"])
    return {"kind": entry["kind"], **settings}


def content_of_folder(entry):
    """Digest of the files under a source's folder; none where the workflow makes the images."""
    return listing(source_settings(entry).get("path"))


def stored_as(image_set):
    """Image set whose files hold the images: its own, or its source's where none are stored."""
    unstored = image_set in [*UNSTORED, *ADVERSARIAL]
    return stored_as(IMAGES[image_set]["from"]) if unstored else image_set


def number_of_parts(image_set):
    entry = IMAGES[image_set]
    return number_of_parts(entry["from"]) if "from" in entry else entry["parts"]


def image_files(image_set):
    """Files that hold an image set, or the set that it is made from while predicting."""
    return [
        f"<results>/images/{stored_as(image_set)}/part-{part}.parquet"
        for part in range(number_of_parts(image_set))
    ]


def concept_files(concept_set):
    parts = config["concepts"][concept_set]["parts"]
    return [f"<results>/concepts/{concept_set}/part-{part}.parquet" for part in range(parts)]


def style_files(wildcards):
    styles = IMAGES[wildcards.image_set].get("transform", {}).get("styles")
    return image_files(styles) if styles else []


def segmenter_files(wildcards):
    segmenter = IMAGES[wildcards.image_set].get("transform", {}).get("segmenter")
    return [f"<results>/segmenters/{segmenter}/segmenter.safetensors"] if segmenter else []


def attack_settings(wildcards):
    return config["attacks"][IMAGES[wildcards.image_set]["attack"]]


def measured(measurement, files):
    """The files of a measurement where the study makes it, else none."""
    return files if measurement in MEASURED else []


def stage_files(measurement, pattern):
    """A measurement's files of every network and part, network by network."""
    parts = MEASURED.get(measurement, {}).get("parts", 0)
    return expand(pattern, model=MODELS, part=range(parts))


def displayed_sets():
    """Image sets of the figure of stimuli, the clean one first, then those that are scored."""
    accuracy = MEASURED.get("accuracy", {"clean": None, "image_sets": []})
    bias = MEASURED.get("shape_bias", {"image_sets": []})
    names = [accuracy["clean"], *accuracy["image_sets"], *bias["image_sets"]]
    # A set that needs styles or a segmenter is shown where its images are stored.
    return [
        name
        for name in dict.fromkeys(names)
        if name and not (name in UNSTORED and {"styles", "segmenter"} & IMAGES[name]["transform"].keys())
    ]


def adversarial_examples():
    """Heading and file of the adversarial images shown: those of the first pair's networks."""
    pair = next(iter(PAIRS.values()), {"standard": MODELS[0]})
    return {
        f"{name} ({model})": f"<results>/predictions/{model}/{name}-examples.parquet"
        for name in SHOWN
        if name in ADVERSARIAL
        for model in pair.values()
    }


def figure_inputs(wildcards):
    """Files that a figure is drawn from: tables, kernels, or images."""
    files = {"tables": [f"<results>/tables/{table}.parquet" for table in FIGURES[wildcards.figure]]}
    if wildcards.figure == "matched_filters":
        files["kernels"] = [f"<results>/smoothness/first_kernels/{p}.safetensors" for p in PAIRS]
    if wildcards.figure == "example_stimuli":
        files["images"] = [image_files(name)[0] for name in SHOWN if name not in ADVERSARIAL]
        files["adversarial"] = list(adversarial_examples().values())
    return files
