"""The plug-ins that a job uses, from the study and the job's wildcards."""

from typing import Any

from planning.jobs.study import Study
from planning.networks.members import plugins_of_network
from shapebias.plugins import NESTED
from shapebias.weights.torchvision_names import WITH_TORCHVISION_WEIGHTS

# Family and kind of plug-ins. The family `own` is of modules of the user, `shapebias` of modules of
# the library.
Plugins = list[tuple[str, str]]


def source_plugins(study: Study, wildcards: Any) -> Plugins:
    """Return the plug-in that reads or renders an image set."""
    return [("datasets", study.images[wildcards.image_set]["kind"])]


def concept_plugins(study: Study, wildcards: Any) -> Plugins:
    """Return the plug-in that reads or renders a concept set."""
    return [("datasets", study.concepts[wildcards.concept_set]["kind"])]


def transform_plugins(study: Study, wildcards: Any) -> Plugins:
    """Return the plug-ins of an image set's transform."""
    transform = study.images[wildcards.image_set].get("transform")
    if not transform:
        return []
    plugins = [("transforms", transform["kind"])]
    plugins += [
        (family, transform[key]["kind"]) for key, family in NESTED.items() if key in transform
    ]
    if "segmenter" in transform:
        kind = study.segmenters[transform["segmenter"]]["kind"]
        plugins += [("segmenters", kind), ("shapebias", "stimuli.segmenter")]
    return plugins


def unstored_transform_plugins(study: Study, wildcards: Any) -> Plugins:
    """Return the plug-ins of an image set's transform if it is applied while reading."""
    unstored = wildcards.image_set in study.unstored_sets
    return transform_plugins(study, wildcards) if unstored else []


def segmenter_plugins(study: Study, wildcards: Any) -> Plugins:
    """Return the plug-in of a segmentation network."""
    return [("segmenters", study.segmenters[wildcards.segmenter]["kind"])]


def attack_plugins(study: Study, wildcards: Any) -> Plugins:
    """Return the plug-in of the attack that makes an image set."""
    attack = study.images[wildcards.image_set]["attack"]
    return [("attacks", study.config["attacks"][attack]["kind"])]


def model_plugins(study: Study, wildcards: Any) -> Plugins:
    """Return the plug-ins that build a network."""
    return plugins_of_network(study.models, wildcards.model)


def all_model_plugins(study: Study, wildcards: Any) -> Plugins:
    """Return the plug-ins that build the networks of the study."""
    return sorted(
        {("architectures", entry["architecture"]["kind"]) for entry in study.models.values()}
    )


def pair_plugins(study: Study, wildcards: Any) -> Plugins:
    """Return the plug-ins that build the networks of a pair."""
    models = sorted(study.pairs[wildcards.pair].values())
    return [("architectures", study.models[model]["architecture"]["kind"]) for model in models]


def weights_plugins(study: Study, wildcards: Any) -> Plugins:
    """Return the module with torchvision's weights if the architecture has such weights."""
    kind = study.models[wildcards.model]["architecture"]["kind"]
    return (
        [("shapebias", "weights.torchvision_weights")] if kind in WITH_TORCHVISION_WEIGHTS else []
    )


def training_plugins(study: Study, wildcards: Any) -> Plugins:
    """Return the plug-ins of a network's recipe and its attack."""
    recipe = study.models[wildcards.model]["training"]["recipe"]
    plugins = [("recipes", recipe["kind"])]
    if "attack" in recipe:
        plugins.append(("attacks", study.config["attacks"][recipe["attack"]]["kind"]))
    return plugins


def figure_plugins(study: Study, wildcards: Any) -> Plugins:
    """Return the plug-in of a figure."""
    plugins = [("figures", wildcards.figure)]
    return plugins + [("shapebias", "stimuli.examples")] * (wildcards.figure == "example_stimuli")
