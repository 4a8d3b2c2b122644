"""The study as the rules use it: its entries, and lists of the names in it."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from planning.jobs.parameter_sweeps import parameter_sweeps

Entry = dict[str, Any]


@dataclass(frozen=True, eq=False)
class Study:
    """Checked and completed configuration of a study.

    Parameters
    ----------
    config
        As `planning.study.read.read_study` returns it.
    """

    config: Entry

    @property
    def name(self) -> str:
        """Name of the study and of its folder under `results`."""
        return self.config["name"]

    @property
    def images(self) -> dict[str, Entry]:
        """Image sets by name."""
        return self.config["images"]

    @property
    def concepts(self) -> dict[str, Entry]:
        """Concept sets by name."""
        return self.config["concepts"]

    @property
    def segmenters(self) -> dict[str, Entry]:
        """Segmentation networks by name."""
        return self.config["segmenters"]

    @property
    def models(self) -> dict[str, Entry]:
        """Networks by name."""
        return self.config["models"]

    @property
    def pairs(self) -> dict[str, dict[str, str]]:
        """Standard and robust network of each pair."""
        return self.config["pairs"]

    @property
    def measurements(self) -> dict[str, Entry]:
        """Settings of each measurement of the study."""
        return self.config["measurements"]

    def measurement(self, name: str) -> Entry:
        """Return the settings of a measurement; empty if the study does not make it."""
        return self.measurements.get(name, {})

    @cached_property
    def source_sets(self) -> list[str]:
        """Image sets that are ingested or drawn, not derived."""
        return [name for name, entry in self.images.items() if "kind" in entry]

    @cached_property
    def adversarial_sets(self) -> list[str]:
        """Image sets that an attack makes during prediction."""
        return [name for name, entry in self.images.items() if "attack" in entry]

    @cached_property
    def unstored_sets(self) -> list[str]:
        """Derived image sets that are not stored: their transform is applied while reading."""
        derived = {name: entry for name, entry in self.images.items() if "from" in entry}
        return [name for name, entry in derived.items() if not entry["materialize"]]

    @cached_property
    def derived_sets(self) -> list[str]:
        """Derived image sets that are stored."""
        others = {*self.source_sets, *self.adversarial_sets, *self.unstored_sets}
        return [name for name in self.images if name not in others]

    @cached_property
    def filtered_sets(self) -> list[str]:
        """Stored image sets that can lack images of their source."""
        transforms = {name: self.images[name]["transform"] for name in self.derived_sets}
        return self.source_sets + [name for name in transforms if "segmenter" in transforms[name]]

    @cached_property
    def trained_models(self) -> list[str]:
        """Networks that the study trains."""
        return [name for name, entry in self.models.items() if "training" in entry]

    @cached_property
    def trained_segmenters(self) -> list[str]:
        """Segmentation networks that the study trains."""
        return [name for name, entry in self.segmenters.items() if "training" in entry]

    @property
    def clean_set(self) -> str | None:
        """Image set whose correctly labelled images are selected; None without accuracy."""
        return self.measurement("accuracy").get("clean")

    @cached_property
    def scored_sets(self) -> list[str]:
        """Image sets whose accuracy is measured, the clean one first."""
        accuracy = self.measurement("accuracy")
        return [accuracy["clean"], *accuracy["image_sets"]] if accuracy else []

    @property
    def conflict_sets(self) -> list[str]:
        """Cue-conflict sets whose shape bias is measured."""
        return self.measurement("shape_bias").get("image_sets", [])

    @cached_property
    def paired_predictions(self) -> list[tuple[str, str]]:
        """Network and image set of all predictions that pairs are compared by."""
        models = dict.fromkeys(model for pair in self.pairs.values() for model in pair.values())
        image_sets = dict.fromkeys([*self.scored_sets, *self.conflict_sets])
        return [(model, name) for model in models for name in image_sets]

    @property
    def noise_sets(self) -> list[str]:
        """Image sets on which the total variation of activations is measured."""
        return list(self.measurement("activation_tv").values())

    @property
    def controls(self) -> list[str]:
        """Kinds of randomised network that are dissected as controls."""
        return self.measurement("dissection").get("controls", [])

    @cached_property
    def parameter_sweeps(self) -> list[Entry]:
        """Families of scored image sets that differ in one parameter."""
        return parameter_sweeps(self.images, self.scored_sets)

    @cached_property
    def unpaired_models(self) -> list[str]:
        """Networks that are in no pair."""
        paired = {model for pair in self.pairs.values() for model in pair.values()}
        return [model for model in self.models if model not in paired]

    @property
    def n_channel_pages(self) -> int:
        """Channels on each network's page; 0 without pages."""
        return self.config["report"]["channels"] if self.measurement("ablation") else 0

    @property
    def models_with_pages(self) -> list[str]:
        """Networks that have a page of their most important channels."""
        return list(self.models) if self.n_channel_pages else []

    def entry(self, path: str, *, optional: bool = False) -> Callable[[Any], Any]:
        """Return a function of the wildcards that looks up one entry of the study.

        Parameters
        ----------
        path
            Keys joined by ``/``, with wildcards in braces: ``images/{image_set}/parts``.
        optional
            Whether the entry may be absent; it is then None.
        """

        def look_up(wildcards: Any) -> Any:
            value: Any = self.config
            for key in path.format_map(dict(wildcards.items())).split("/"):
                value = value.get(key) if optional and value is not None else value[key]
            return value

        return look_up


def one_of(names: Iterable[str]) -> str:
    """Return a regular expression that matches these names; without names it matches nothing."""
    return "|".join(map(re.escape, names)) or "(?!)"


def without(settings: Entry, *keys: str) -> Entry:
    """Return settings without some keys, such as those on which no result depends."""
    return {key: value for key, value in settings.items() if key not in keys}


def flatten(files: str | Iterable[Any]) -> list[str]:
    """Return the paths in nested lists of paths as one list."""
    if isinstance(files, str):
        return [files]
    return [path for inner in files for path in flatten(inner)]
