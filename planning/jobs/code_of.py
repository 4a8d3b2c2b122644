"""What a job's results follow from besides settings: code, packages, files from elsewhere."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from planning.fingerprints.code import fingerprint, packages
from planning.fingerprints.files import folder_digest
from planning.fingerprints.user_code import digest_of_module
from planning.jobs.image_files import source_settings
from planning.jobs.study import Entry, Study
from planning.networks.starts import plugins_of_network
from planning.study.paths import downloads_among, paths_among
from shapebias.io.checksums import checksum_path
from shapebias.plugins import NESTED
from shapebias.weights.torchvision_names import WITH_TORCHVISION_WEIGHTS

# Family and kind; the family `own` is that of a user's modules, `shapebias` any of the library's.
Plugins = list[tuple[str, str]]


@dataclass(frozen=True)
class CodeOf:
    """Fingerprints of what jobs run, with the study and seed that their outputs record.

    Parameters
    ----------
    study
        Whose rules these are.
    versions
        Version of each package, as recorded for the study.
    """

    study: Study
    versions: Mapping[str, str] = field(default_factory=dict)

    def __call__(
        self, script: str, *plugins: Callable[[Study, Any], Plugins]
    ) -> Callable[[Any], Entry]:
        """Return a function of the wildcards that gives a job's fingerprint.

        Parameters
        ----------
        script
            Name of the rule and of its script.
        plugins
            Functions of the study and the wildcards that give the plug-ins that a job uses.
        """

        def code(wildcards: Any) -> Entry:
            pairs = [pair for found in plugins for pair in found(self.study, wildcards)]
            own = [digest_of_module(kind) for family, kind in pairs if family == "own"]
            named = tuple(pair for pair in pairs if pair[0] != "own")
            return {
                "study": self.study.name,
                "seed": self.study.config["seed"],
                "fingerprint": fingerprint(script, named),
                "packages": {
                    name: self.versions.get(name, "absent") for name in packages(script, named)
                },
                **({"own_code": own} if own else {}),
            }

        return code


def source_plugins(study: Study, wildcards: Any) -> Plugins:
    """Plug-in that reads or draws an image set."""
    return [("datasets", study.images[wildcards.image_set]["kind"])]


def concept_plugins(study: Study, wildcards: Any) -> Plugins:
    """Plug-in that reads or draws a concept set."""
    return [("datasets", study.concepts[wildcards.concept_set]["kind"])]


def transform_plugins(study: Study, wildcards: Any) -> Plugins:
    """Plug-ins of an image set's transform."""
    transform = study.images[wildcards.image_set].get("transform")
    if not transform:
        return []
    found = [("transforms", transform["kind"])]
    found += [
        (family, transform[key]["kind"]) for key, family in NESTED.items() if key in transform
    ]
    if "segmenter" in transform:
        kind = study.segmenters[transform["segmenter"]]["kind"]
        found += [("segmenters", kind), ("shapebias", "stimuli.segmenter")]
    return found


def unstored_transform_plugins(study: Study, wildcards: Any) -> Plugins:
    """Plug-ins of a transform that is applied while reading."""
    unstored = wildcards.image_set in study.unstored_sets
    return transform_plugins(study, wildcards) if unstored else []


def segmenter_plugins(study: Study, wildcards: Any) -> Plugins:
    """Plug-in of a segmentation network."""
    return [("segmenters", study.segmenters[wildcards.segmenter]["kind"])]


def attack_plugins(study: Study, wildcards: Any) -> Plugins:
    """Plug-in of the attack that makes an image set."""
    attack = study.images[wildcards.image_set]["attack"]
    return [("attacks", study.config["attacks"][attack]["kind"])]


def model_plugins(study: Study, wildcards: Any) -> Plugins:
    """Plug-ins that build a network."""
    return plugins_of_network(study.models, wildcards.model)


def all_model_plugins(study: Study, wildcards: Any) -> Plugins:
    """Plug-ins that build the networks of the study."""
    return sorted(
        {("architectures", entry["architecture"]["kind"]) for entry in study.models.values()}
    )


def pair_plugins(study: Study, wildcards: Any) -> Plugins:
    """Plug-ins that build the networks of a pair."""
    models = sorted(study.pairs[wildcards.pair].values())
    return [("architectures", study.models[model]["architecture"]["kind"]) for model in models]


def weights_plugins(study: Study, wildcards: Any) -> Plugins:
    """Module with torchvision's published weights, where a network may have some."""
    kind = study.models[wildcards.model]["architecture"]["kind"]
    return (
        [("shapebias", "weights.torchvision_weights")] if kind in WITH_TORCHVISION_WEIGHTS else []
    )


def training_plugins(study: Study, wildcards: Any) -> Plugins:
    """Plug-ins of a network's recipe and of its attack."""
    recipe = study.models[wildcards.model]["training"]["recipe"]
    found = [("recipes", recipe["kind"])]
    if "attack" in recipe:
        found.append(("attacks", study.config["attacks"][recipe["attack"]]["kind"]))
    return found


def figure_plugins(study: Study, wildcards: Any) -> Plugins:
    """Plug-in of a figure."""
    images = wildcards.figure == "example_stimuli"
    return [("figures", wildcards.figure)] + ([("shapebias", "stimuli.examples")] if images else [])


def folder_content(study: Study, entry: Entry) -> list[Any]:
    """Digests of the folders that a source reads; none where the workflow downloads or draws it."""
    settings = source_settings(study, entry)
    return [
        folder_digest(settings[key])
        for key in paths_among("datasets", settings)
        if not downloads_among(entry[key], study.config["folders"])
    ]


def file_content(paths: str | list[str]) -> list[Any]:
    """Digests of files from elsewhere; Snakemake overlooks other content with an older time."""
    named = [paths] if isinstance(paths, str) else paths
    return [folder_digest(path) for path in named if checksum_path(path) is None]
