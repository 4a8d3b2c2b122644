"""Entries of a study: each names a plug-in and gives it the settings that it takes."""

import math
from typing import Any

from planning.study.errors import StudyError, hint_on_number
from planning.study.plugin_settings import TYPES, injected_arguments, settings_of
from shapebias.errors import UnknownName
from shapebias.plugins import NESTED, kinds
from shapebias.ranges import colour_error
from shapebias.weights.torchvision_names import WITH_TORCHVISION_WEIGHTS

# Keys of an entry that belong to the workflow, not to the plug-in that it names.
RESERVED = {
    "datasets": {"kind", "parts", "resize", "crop", "max_rejected", "materialize"},
    "concepts": {"kind", "parts", "resize", "crop", "max_rejected"},
    "segmenters": {"kind", "concepts", "category", "training", "weights"},
    "attacks": {"kind"},
}
# Suffixes of checkpoint files.
FILES = (".pth", ".pt", ".bin", ".ckpt", ".tar", ".safetensors")


def check_plugins(study: dict[str, Any]) -> None:
    """Raise `StudyError` unless every `kind` exists and takes the settings that it is given."""
    for name, entry in study["images"].items():
        check_image_set(f"images.{name}", entry)
    for name, entry in study.get("concepts", {}).items():
        check_plugin(f"concepts.{name}", "datasets", entry, RESERVED["concepts"])
    for family in ("segmenters", "attacks"):
        for name, entry in study.get(family, {}).items():
            check_plugin(f"{family}.{name}", family, entry, RESERVED[family], given={"classes"})
    for name, entry in study.get("segmenters", {}).items():
        check_segmenter(f"segmenters.{name}", entry)
    for name, entry in study["models"].items():
        check_network(f"models.{name}", entry)


def check_image_set(where: str, entry: dict[str, Any]) -> None:
    """Raise `StudyError` unless an image set is either a source or derived, and wholly so."""
    if ("kind" in entry) == ("from" in entry):
        raise StudyError(f"{where} needs either `kind` (a source) or `from` (derived)")
    if "kind" in entry:
        check_plugin(where, "datasets", entry, RESERVED["datasets"])
        if entry.get("materialize") is False:
            raise StudyError(
                f"{where}.materialize: a source is always stored; only a derived set "
                "can be made while predicting"
            )
        return
    check_keys(where, entry, {"from", "transform", "attack", "materialize"})
    if ("transform" in entry) == ("attack" in entry):
        raise StudyError(f"{where} is derived and needs either `transform` or `attack`")
    if "transform" in entry:
        check_transform(f"{where}.transform", entry["transform"])


def check_network(where: str, entry: dict[str, Any]) -> None:
    """Raise `StudyError` unless a network is either imported or trained, and wholly so."""
    given = {"classes", "input_size"}
    architecture = entry["architecture"]
    if "input_size" in architecture:
        raise StudyError(
            f"{where}.architecture.input_size stands too low: it is {where}.input_size"
        )
    check_plugin(f"{where}.architecture", "architectures", architecture, {"kind"}, given)
    for name in ("mean", "std"):
        if architecture.get(name) and (wrong := colour_error(name, architecture[name])):
            raise StudyError(f"{where}.architecture.{name}: {wrong}")
    if ("training" in entry) == ("weights" in entry):
        raise StudyError(f"{where} needs either `training` or `weights`")
    if "weights" in entry:
        if "classes" not in entry:
            raise StudyError(f"{where} is imported and lacks the key 'classes'")
        check_weights(where, entry)
    else:
        check_training(f"{where}.training", entry["training"])


def check_training(where: str, training: dict[str, Any]) -> None:
    """Raise `StudyError` unless a recipe has what it needs, and devices share a batch equally."""
    check_finite(where, training)
    recipe = training["recipe"]
    takes = recipe["kind"] in kinds("recipes") and injected_arguments("recipes", recipe["kind"])
    needed = {"attack"} & (takes or set())
    check_plugin(f"{where}.recipe", "recipes", recipe, {"kind", *needed})
    if missing := needed - recipe.keys():
        raise StudyError(f"{where}.recipe lacks the key {missing.pop()!r}")
    if recipe["kind"] == "underfit" and "validation" not in training:
        raise StudyError(f"{where} lacks the key 'validation': underfit stops at an accuracy on it")
    if training.get("batch", 0) % training.get("devices", 1):
        raise StudyError(
            f"{where}.batch: {training['batch']} images cannot be shared equally by "
            f"{training['devices']} devices"
        )


def check_finite(where: str, training: dict[str, Any]) -> None:
    """Raise `StudyError` for a number that is none: it would pass every bound of the schema."""
    for key, value in training.items():
        if isinstance(value, float) and not math.isfinite(value):
            raise StudyError(f"{where}.{key}: {value} is not a finite number")


def check_weights(where: str, entry: dict[str, Any]) -> None:
    """Raise `StudyError` unless published weights are by path, in a package or in a known list."""
    weights, kind = entry["weights"], entry["architecture"]["kind"]
    given = {"name"} if isinstance(weights, str) else weights.keys()
    if ("path" in given) + ("package" in given) != ("name" not in given or "path" in given):
        raise StudyError(f"{where}.weights needs one of `path`, `package` and `name`")
    name = weights if isinstance(weights, str) else weights.get("name", "")
    if "://" in name:
        raise StudyError(f"{where}.weights: download {name}, and write {{path: the file}}")
    if "/" in name or name.endswith(FILES):
        raise StudyError(
            f"{where}.weights: {name!r} is a file and no name of weights: write {{path: {name}}}"
        )
    if "name" in given and kind == "timm":
        network = f"{entry['architecture']['name'].partition('.')[0]}.{name}"
        raise StudyError(
            f"{where}.weights: timm's weights are taken by `path`: download the file whose address "
            f"timm.get_pretrained_cfg({network!r}).url gives, and write `name: {network}` in the "
            "architecture, for their mean and std"
        )
    if "name" in given and kind not in WITH_TORCHVISION_WEIGHTS:
        raise StudyError(
            f"{where}.weights: torchvision lists none for the kind {kind!r}, only for "
            f"{', '.join(WITH_TORCHVISION_WEIGHTS)}; give the file's `path`"
        )


def check_transform(where: str, entry: dict[str, Any]) -> None:
    """Raise `StudyError` unless a transform has what it needs, and the plug-ins in it as well."""
    if entry["kind"] not in kinds("transforms"):
        check_plugin(where, "transforms", entry, set())
    needed = injected_arguments("transforms", entry["kind"]) & {"styles", "segmenter", *NESTED}
    check_plugin(where, "transforms", entry, {"kind", *needed})
    for key in sorted(needed):
        if key not in entry:
            raise StudyError(f"{where} lacks the key {key!r} of kind {entry['kind']!r}")
        if key in NESTED:
            check_plugin(f"{where}.{key}", NESTED[key], entry[key], {"kind"})


def check_segmenter(where: str, entry: dict[str, Any]) -> None:
    """Raise `StudyError` unless a segmenter is either imported or trained, and wholly so."""
    trained = {"concepts", "category", "training"}
    if "weights" in entry and (both := trained & entry.keys()):
        raise StudyError(f"{where} has `weights` and so takes no {sorted(both)[0]!r}")
    if "weights" not in entry and (missing := trained - entry.keys()):
        raise StudyError(f"{where} needs `weights`, or else the key {sorted(missing)[0]!r}")
    check_finite(f"{where}.training", entry.get("training", {}))


def check_plugin(
    where: str,
    family: str,
    entry: dict[str, Any],
    reserved: set[str],
    given: set[str] = frozenset(),
) -> None:
    """Raise `StudyError` unless an entry names a plug-in and fits its settings.

    Parameters
    ----------
    where
        The entry's place in the study, for the message.
    reserved
        Keys that belong to the workflow.
    given
        Settings that the workflow hands in.
    """
    if entry["kind"] not in kinds(family):
        raise StudyError(f"{where}: {UnknownName('kind', entry['kind'], kinds(family))}")
    known = settings_of(family, entry["kind"])
    check_keys(where, entry, (known.keys() - given) | reserved)
    for name, setting in known.items():
        if name not in entry:
            # The workflow hands the study's seed to a plug-in that takes one.
            if setting.required and name not in given and name != "seed":
                raise StudyError(f"{where} lacks the key {name!r} of kind {entry['kind']!r}")
            continue
        value = entry[name]
        if value is None and setting.optional:
            continue
        fits = isinstance(value, TYPES[setting.type])
        if not fits or (isinstance(value, bool) and setting.type != "bool"):
            hint = hint_on_number(value, setting.type)
            raise StudyError(f"{where}.{name}: {value!r} is not of type {setting.type}{hint}")
        if setting.choices and value not in setting.choices:
            raise StudyError(f"{where}.{name}: {UnknownName('value', value, setting.choices)}")
        if setting.numbers and (wrong := setting.numbers.error(value)):
            raise StudyError(f"{where}.{name}: {wrong}")


def check_keys(where: str, entry: dict[str, Any], known: set[str]) -> None:
    """Raise `StudyError` for the first key of an entry that is not known."""
    for key in entry:
        if key not in known:
            raise StudyError(str(UnknownName(f"key in {where}", key, known)))
