"""Check the entries of a study: each names a plug-in and gives its settings."""

from typing import Any

from planning.study.errors import StudyError, wrong_type
from planning.study.plugin_settings import TYPES, Setting, injected_arguments, settings_of
from shapebias.errors import UnknownName
from shapebias.plugins import NESTED, kinds
from shapebias.ranges import colour_error
from shapebias.weights.torchvision_names import WITH_TORCHVISION_WEIGHTS

# Keys of an entry that the workflow reads, not the plug-in.
RESERVED = {
    "datasets": {"kind", "parts", "resize", "crop", "max_rejected", "materialize"},
    "concepts": {"kind", "parts", "resize", "crop", "max_rejected"},
    "segmenters": {"kind", "concepts", "category", "training", "weights"},
    "attacks": {"kind"},
}
CHECKPOINT_SUFFIXES = (".pth", ".pt", ".bin", ".ckpt", ".tar", ".safetensors")


def check_plugins(study: dict[str, Any]) -> None:
    """Raise `StudyError` unless every `kind` exists and every setting is one that it takes."""
    for name, entry in study["images"].items():
        check_image_set(f"images.{name}", entry)
    for name, entry in study.get("concepts", {}).items():
        check_plugin(f"concepts.{name}", "datasets", entry, RESERVED["concepts"])
    for family in ("segmenters", "attacks"):
        for name, entry in study.get(family, {}).items():
            check_plugin(f"{family}.{name}", family, entry, RESERVED[family], injected={"classes"})
    for name, entry in study.get("segmenters", {}).items():
        check_segmenter(f"segmenters.{name}", entry)
    for name, entry in study["models"].items():
        check_network(f"models.{name}", entry)


def check_image_set(where: str, entry: dict[str, Any]) -> None:
    """Raise `StudyError` unless an image set is either a source or derived from another set."""
    if ("kind" in entry) == ("from" in entry):
        raise StudyError(f"{where} needs either `kind` (a source) or `from` (derived)")
    if "kind" in entry:
        check_plugin(where, "datasets", entry, RESERVED["datasets"])
        if entry.get("materialize") is False:
            raise StudyError(
                f"{where}.materialize: a source is always stored; only derived sets can be "
                "computed during prediction instead"
            )
        return
    check_keys(where, entry, {"from", "transform", "attack", "materialize"})
    if ("transform" in entry) == ("attack" in entry):
        raise StudyError(f"{where} is derived and needs either `transform` or `attack`")
    if "transform" in entry:
        check_transform(f"{where}.transform", entry["transform"])


def check_transform(where: str, entry: dict[str, Any]) -> None:
    """Raise `StudyError` unless a transform and the plug-ins that it uses have valid settings."""
    check_kind(where, "transforms", entry)
    needed = injected_arguments("transforms", entry["kind"]) & {"styles", "segmenter", *NESTED}
    check_plugin(where, "transforms", entry, {"kind", *needed})
    for key in sorted(needed):
        if key not in entry:
            raise StudyError(f"{where} lacks the key {key!r} of kind {entry['kind']!r}")
        if key in NESTED:
            check_plugin(f"{where}.{key}", NESTED[key], entry[key], {"kind"})


def check_segmenter(where: str, entry: dict[str, Any]) -> None:
    """Raise `StudyError` unless a segmenter is either imported or trained."""
    training_keys = {"concepts", "category", "training"}
    if "weights" in entry and (extra := training_keys & entry.keys()):
        raise StudyError(f"{where} has `weights` and so takes no {min(extra)!r}")
    if "weights" not in entry and (missing := training_keys - entry.keys()):
        raise StudyError(f"{where} needs `weights`, or else the key {min(missing)!r}")


def check_network(where: str, entry: dict[str, Any]) -> None:
    """Raise `StudyError` unless a network is either imported or trained, with valid settings."""
    architecture = entry["architecture"]
    if "input_size" in architecture:
        raise StudyError(f"{where}.architecture.input_size: move it to {where}.input_size")
    injected = {"classes", "input_size"}
    check_plugin(f"{where}.architecture", "architectures", architecture, {"kind"}, injected)
    for name in ("mean", "std"):
        if architecture.get(name) and (error := colour_error(name, architecture[name])):
            raise StudyError(f"{where}.architecture.{name}: {error}")
    if ("training" in entry) == ("weights" in entry):
        raise StudyError(f"{where} needs either `training` or `weights`")
    if "training" in entry:
        check_training(f"{where}.training", entry["training"])
        return
    if "classes" not in entry:
        raise StudyError(f"{where} is imported and lacks the key 'classes'")
    check_weights(f"{where}.weights", entry["weights"], architecture)


def check_training(where: str, training: dict[str, Any]) -> None:
    """Raise `StudyError` unless a recipe has all it needs and devices share a batch equally."""
    recipe = training["recipe"]
    check_kind(f"{where}.recipe", "recipes", recipe)
    needed = {"attack"} & injected_arguments("recipes", recipe["kind"])
    check_plugin(f"{where}.recipe", "recipes", recipe, {"kind", *needed})
    if needed - recipe.keys():
        raise StudyError(f"{where}.recipe lacks the key 'attack'")
    if recipe["kind"] == "underfit" and "validation" not in training:
        raise StudyError(
            f"{where} lacks the key 'validation': underfit stops at an accuracy on that set"
        )
    if training.get("batch", 0) % training.get("devices", 1):
        raise StudyError(
            f"{where}.batch: {training['batch']} images cannot be shared equally by "
            f"{training['devices']} devices"
        )


def check_weights(where: str, weights: str | dict[str, Any], architecture: dict[str, Any]) -> None:
    """Raise `StudyError` unless weights come by path, from a package or by torchvision's name."""
    keys = {"name"} if isinstance(weights, str) else weights.keys()
    if keys & {"path", "name", "package"} not in (
        {"path"},
        {"name"},
        {"package"},
        {"path", "name"},
    ):
        raise StudyError(f"{where} needs one of `path`, `package` and `name`")
    if "name" not in keys:
        return
    name, kind = weights if isinstance(weights, str) else weights["name"], architecture["kind"]
    if "://" in name:
        raise StudyError(f"{where}: download {name}, and write {{path: the file}}")
    if "/" in name or name.endswith(CHECKPOINT_SUFFIXES):
        raise StudyError(f"{where}: {name!r} is a file, not a name: write {{path: {name}}}")
    if kind == "timm":
        network = f"{architecture['name'].partition('.')[0]}.{name}"
        raise StudyError(
            f"{where}: weights of timm are imported by `path`: download the file at the address "
            f"timm.get_pretrained_cfg({network!r}).url, and write `name: {network}` in the "
            "architecture, which sets their mean and std"
        )
    if kind not in WITH_TORCHVISION_WEIGHTS:
        raise StudyError(
            f"{where}: torchvision has weights for {', '.join(WITH_TORCHVISION_WEIGHTS)}, not for "
            f"the kind {kind!r}; give the file's `path`"
        )


def check_plugin(
    where: str,
    family: str,
    entry: dict[str, Any],
    reserved: set[str],
    injected: set[str] = frozenset(),
) -> None:
    """Raise `StudyError` unless an entry names a plug-in and all its settings are valid.

    Parameters
    ----------
    where
        The entry's place in the study, for the message.
    family
        The plug-in's family.
    entry
        Kind and settings.
    reserved
        Keys that the workflow reads.
    injected
        Settings that the workflow passes to the plug-in.
    """
    check_kind(where, family, entry)
    settings = settings_of(family, entry["kind"])
    check_keys(where, entry, (settings.keys() - injected) | reserved)
    for name, setting in settings.items():
        if name in entry:
            _check_setting(f"{where}.{name}", entry[name], setting)
        # A plug-in with a seed gets the study's.
        elif setting.required and name not in injected and name != "seed":
            raise StudyError(f"{where} lacks the key {name!r} of kind {entry['kind']!r}")


def _check_setting(where: str, value: Any, setting: Setting) -> None:
    if value is None and setting.optional:
        return
    fits = isinstance(value, TYPES[setting.type])
    if not fits or (isinstance(value, bool) and setting.type != "bool"):
        raise StudyError(f"{where}: {wrong_type(value, setting.type)}")
    if setting.choices and value not in setting.choices:
        choices = [str(choice) for choice in setting.choices]
        raise StudyError(f"{where}: {UnknownName('value', value, choices)}")
    if setting.numbers and (error := setting.numbers.error(value)):
        raise StudyError(f"{where}: {error}")


def check_kind(where: str, family: str, entry: dict[str, Any]) -> None:
    """Raise `StudyError` unless an entry's `kind` is a plug-in of a family."""
    if entry["kind"] not in kinds(family):
        raise StudyError(f"{where}: {UnknownName('kind', entry['kind'], kinds(family))}")


def check_keys(where: str, entry: dict[str, Any], known: set[str]) -> None:
    """Raise `StudyError` for the first key of an entry that is not known."""
    for key in entry:
        if key not in known:
            raise StudyError(str(UnknownName(f"key in {where}", key, known)))
