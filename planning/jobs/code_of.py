"""What the results of a job depend on besides settings: code, packages, and the user's files."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from planning.fingerprints.code import fingerprint, packages
from planning.fingerprints.files import folder_digest
from planning.fingerprints.user_code import digest_of_module
from planning.jobs.image_files import source_settings
from planning.jobs.study import Entry, Study
from planning.networks.members import plugins_of_network
from planning.study.paths import downloads_among, paths_among
from shapebias.io.checksums import checksum_path
from shapebias.plugins import NESTED
from shapebias.weights.torchvision_names import WITH_TORCHVISION_WEIGHTS

# Family and kind of plug-ins. The family `own` is of modules of the user, `shapebias` of modules of
# the library.
Plugins = list[tuple[str, str]]


@dataclass(frozen=True)
class CodeOf:
    """Fingerprints of the code of jobs, with the study and seed that their outputs record.

    Parameters
    ----------
    study
        Study whose jobs these are.
    versions
        Version of each package, as recorded for the study.
    """

    study: Study
    versions: Mapping[str, str] = field(default_factory=dict)

    def __call__(
        self, script: str, *plugins: Callable[[Study, Any], Plugins]
    ) -> Callable[[Any, Iterable[str]], Entry]:
        """Return a function of the wildcards and input that gives the fingerprint of a job.

        Snakemake compares the inputs of a job as a set; the fingerprint includes their order, which
        says for example which of two networks is the robust one.

        Parameters
        ----------
        script
            Name of the rule and of its script.
        plugins
            Functions of the study and the wildcards that give the plug-ins that a job uses.
        """

        def code(wildcards: Any, input: Iterable[str]) -> Entry:
            pairs = [pair for function in plugins for pair in function(self.study, wildcards)]
            own_code = [digest_of_module(kind) for family, kind in pairs if family == "own"]
            named = tuple(pair for pair in pairs if pair[0] != "own")
            return {
                "study": self.study.name,
                "seed": self.study.config["seed"],
                "fingerprint": fingerprint(script, named),
                "inputs": sha256("\n".join(input).encode()).hexdigest(),
                "packages": {
                    name: self.versions.get(name, "absent") for name in packages(script, named)
                },
                **({"own_code": own_code} if own_code else {}),
            }

        return code


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


def folder_content(study: Study, entry: Entry) -> list[Any]:
    """Return digests of the folders that a source reads, without downloaded folders."""
    settings = source_settings(study, entry)
    return [
        folder_digest(settings[key])
        for key in paths_among("datasets", settings)
        if not downloads_among(entry[key], study.config["folders"])
    ]


def file_content(paths: str | list[str]) -> list[Any]:
    """Return digests of the user's files: Snakemake misses changed content with an older time."""
    paths = [paths] if isinstance(paths, str) else paths
    return [folder_digest(path) for path in paths if checksum_path(path) is None]
