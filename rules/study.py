"""A study as its file gives it: completed with defaults, checked, and mistakes told in one line."""

import copy
import os
import re
from pathlib import Path
from typing import Any

import jsonschema
import yaml

from rules.networks import wrong_start
from rules.plugins import TYPES, handed_in, settings_of
from rules.templates import expanded
from shapebias.errors import UnknownName
from shapebias.plugins import NESTED, kinds

ROOT = Path(__file__).parent.parent
SCHEMA = ROOT / "config.schema.yaml"
DEFAULT = ROOT / "config.yaml"

# Keys of an entry that belong to the workflow, not to the plug-in that it names.
RESERVED = {
    "images": {"kind", "parts", "resize", "crop", "most_rejected", "materialize"},
    "concepts": {"kind", "parts", "resize", "crop", "most_rejected"},
    "segmenters": {"kind", "concepts", "category", "training", "weights"},
    "attacks": {"kind"},
}

# Architectures whose weights torchvision publishes under names.
LISTED = ("torchvision", "alexnet", "googlenet", "resnet")


class StudyError(Exception):
    """A mistake in a study; its message is one line that names the key and what is allowed."""


def read_study(given: dict[str, Any], *, whole: bool) -> dict[str, Any]:
    """A whole study, checked and completed.

    Parameters
    ----------
    given
        What the command line gave, by ``--configfile`` and ``--config``.
    whole
        Whether that is a study; otherwise it changes single keys of the default one.

    Raises
    ------
    StudyError
        For the first mistake found.
    """
    study = copy.deepcopy(given)
    if not whole:
        study = merged(yaml.safe_load(DEFAULT.read_text(encoding="utf-8")), study)
    try:
        study = expanded(study)
    except ValueError as error:
        raise StudyError(str(error)) from None
    schema = yaml.safe_load(SCHEMA.read_text(encoding="utf-8"))
    check_schema(study, schema)
    check_plugins(study)
    for entry in study["models"].values():
        if isinstance(entry.get("weights"), str):
            entry["weights"] = {"name": entry["weights"]}
    fill_defaults(study, schema, schema)
    check_references(study)
    return in_order(study)


def in_order(study: dict[str, Any]) -> dict[str, Any]:
    """A study with its keys in one order, so that theirs in the file does not count.

    The entries of a family, and what stands in lists, stay as they are: tables and figures follow
    them.
    """

    def ordered(value: Any) -> Any:
        if isinstance(value, list):
            return [ordered(one) for one in value]
        if isinstance(value, dict):
            return {key: ordered(value[key]) for key in sorted(value)}
        return value

    families = ("images", "concepts", "segmenters", "attacks", "models", "pairs")
    return {
        key: {name: ordered(entry) for name, entry in study[key].items()}
        if key in families
        else ordered(study[key])
        for key in sorted(study)
    }


def merged(base: dict[str, Any], change: dict[str, Any]) -> dict[str, Any]:
    """A mapping with the keys of another put over its own, level by level."""
    result = dict(base)
    for key, value in change.items():
        both = isinstance(value, dict) and isinstance(result.get(key), dict)
        result[key] = merged(result[key], value) if both else value
    return result


def check_schema(study: Any, schema: dict[str, Any]) -> None:
    """Raise `StudyError` for the first departure from the schema."""
    errors = jsonschema.Draft202012Validator(schema).iter_errors(study)
    for error in sorted(errors, key=lambda e: [str(step) for step in e.absolute_path]):
        where = dotted(error.absolute_path)
        if error.validator == "additionalProperties" and isinstance(error.schema, dict):
            known = error.schema.get("properties", {})
            unknown = next(key for key in error.instance if key not in known)
            raise StudyError(str(UnknownName(f"key in {where}", unknown, known)))
        if error.validator == "required":
            missing = next(key for key in error.validator_value if key not in error.instance)
            raise StudyError(f"{where} lacks the key {missing!r}")
        raise StudyError(f"{where}: {explained(error)}")


def explained(error: jsonschema.ValidationError) -> str:
    """What is wrong with a value, and what would be right."""
    value, rule = error.instance, error.validator_value
    if error.validator == "type":
        kinds_allowed = " or ".join([rule] if isinstance(rule, str) else rule)
        return f"{value!r} is not of type {kinds_allowed}{hint_on_number(value, kinds_allowed)}"
    if error.validator == "enum":
        return str(UnknownName("value", value, rule))
    if error.validator == "pattern":
        return f"{value!r} is no name: use letters, digits, `_`, `-`, `.`, a letter or digit first"
    if error.validator == "oneOf":
        return f"{value!r} is neither `imagenet` nor a list of at least two different names"
    return error.message


def hint_on_number(value: Any, wanted: str) -> str:
    """Advice on a text that looks like a number: YAML reads 1e-3, without a point, as text."""
    numbers = {"int": int, "integer": int, "float": float, "number": float}
    convert = numbers.get(wanted.split()[0])
    if convert is None or not isinstance(value, str):
        return ""
    try:
        return f"; write {convert(value)}, without quotes"
    except ValueError:
        return ""


def fill_defaults(value: Any, schema: dict[str, Any], root: dict[str, Any]) -> None:
    """Put the schema's defaults where a study says nothing, in place."""
    schema = resolved(schema, root)
    if not isinstance(value, dict):
        return
    for key, part in schema.get("properties", {}).items():
        if "default" in (found := resolved(part, root)):
            value.setdefault(key, copy.deepcopy(found["default"]))
        if key in value:
            fill_defaults(value[key], part, root)
    if isinstance(rest := schema.get("additionalProperties"), dict):
        for key in value.keys() - schema.get("properties", {}).keys():
            fill_defaults(value[key], rest, root)


def resolved(schema: dict[str, Any], root: dict[str, Any]) -> dict[str, Any]:
    """A schema with its reference to a definition replaced by what it refers to."""
    if "$ref" not in schema:
        return schema
    definition = root["$defs"][schema["$ref"].rsplit("/", 1)[1]]
    return {**definition, **{key: value for key, value in schema.items() if key != "$ref"}}


def check_plugins(study: dict[str, Any]) -> None:
    """Raise `StudyError` unless every `kind` exists and takes the settings that it is given."""
    for name, entry in study["images"].items():
        where = f"images.{name}"
        makers = [key for key in ("kind", "from") if key in entry]
        if len(makers) != 1:
            raise StudyError(f"{where} needs either `kind` (a source) or `from` (derived)")
        if makers == ["kind"]:
            check_plugin(where, "images", entry, RESERVED["images"])
            if entry.get("materialize") is False:
                raise StudyError(
                    f"{where}.materialize: a source is always stored; only a derived set "
                    "can be made while predicting"
                )
            continue
        check_keys(where, entry, {"from", "transform", "attack", "materialize"})
        if ("transform" in entry) == ("attack" in entry):
            raise StudyError(f"{where} is derived and needs either `transform` or `attack`")
        if "transform" in entry:
            transform = entry["transform"]
            check_transform(f"{where}.transform", transform)
    for name, entry in study.get("concepts", {}).items():
        check_plugin(f"concepts.{name}", "images", entry, RESERVED["concepts"])
    for family in ("segmenters", "attacks"):
        for name, entry in study.get(family, {}).items():
            check_plugin(f"{family}.{name}", family, entry, RESERVED[family], given={"classes"})
    for name, entry in study.get("segmenters", {}).items():
        check_segmenter(f"segmenters.{name}", entry)
    for name, entry in study["models"].items():
        where = f"models.{name}"
        given = {"classes", "input_size"}
        check_plugin(f"{where}.architecture", "models", entry["architecture"], {"kind"}, given)
        if ("training" in entry) == ("weights" in entry):
            raise StudyError(f"{where} needs either `training` or `weights`")
        if "weights" in entry and "classes" not in entry:
            raise StudyError(f"{where} is imported and lacks the key 'classes'")
        if "weights" in entry:
            check_weights(where, entry)
        if "training" in entry:
            recipe = entry["training"]["recipe"]
            check_plugin(f"{where}.training.recipe", "training", recipe, {"kind", "attack"})
            if "attack" in handed_in("training", recipe["kind"]) - recipe.keys():
                raise StudyError(f"{where}.training.recipe lacks the key 'attack'")


def check_weights(where: str, entry: dict[str, Any]) -> None:
    """Raise `StudyError` unless published weights are by path, in a package or in a known list."""
    weights, kind = entry["weights"], entry["architecture"]["kind"]
    given = {"name"} if isinstance(weights, str) else weights.keys()
    if ("path" in given) + ("package" in given) != ("name" not in given or "path" in given):
        raise StudyError(f"{where}.weights needs one of `path`, `package` and `name`")
    if "name" in given and kind not in LISTED:
        raise StudyError(
            f"{where}.weights: torchvision lists none for the kind {kind!r}, only for "
            f"{', '.join(LISTED)}; give the file's `path`"
        )


def check_transform(where: str, entry: dict[str, Any]) -> None:
    """Raise `StudyError` unless a transform has what it needs, and the plug-ins in it as well."""
    if entry["kind"] not in kinds("transforms"):
        check_plugin(where, "transforms", entry, set())
    needed = handed_in("transforms", entry["kind"]) & {"styles", "segmenter", *NESTED}
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
        if setting.numbers and (wrong := setting.numbers.wrong(value)):
            raise StudyError(f"{where}.{name}: {wrong}")


def plugin_settings(study: dict[str, Any], family: str, entry: dict[str, Any]) -> dict[str, Any]:
    """Kind and settings of an entry's plug-in: no keys of the workflow's own, paths written out."""
    reserved = RESERVED.get(family, set()) - {"kind"}
    settings = {key: value for key, value in entry.items() if key not in reserved}
    for key in paths_among(family, settings):
        settings[key] = expand_folders(settings[key], study["folders"])
    return settings


def paths_among(family: str, entry: dict[str, Any]) -> list[str]:
    """Settings of an entry's plug-in that name a file or folder."""
    known = settings_of(family, entry["kind"])
    return [key for key in known if known[key].type == "FilePath" and entry.get(key) is not None]


def check_references(study: dict[str, Any]) -> None:
    """Raise `StudyError` unless every name that an entry refers to is an entry."""
    for where, family, name in references(study):
        if name not in study[family]:
            raise StudyError(f"{where}: {UnknownName(f'entry of {family}', name, study[family])}")
    for name in study["images"]:
        check_chain(study["images"], name)
    if wrong := wrong_start(study["models"]):
        raise StudyError(": ".join(wrong))
    check_uses(study)
    check_needs(study)
    check_folders(study)


def check_folders(study: dict[str, Any]) -> None:
    """Raise `StudyError` where a path names a folder or variable that is not there, or no path."""
    for name, folder in study["folders"].items():
        if isinstance(folder, str) and "$" in os.path.expandvars(folder):
            raise StudyError(
                f"folders.{name}: {folder} is not set: export it, "
                f"or give --config folders='{{{name}: /path/to/folder}}'"
            )
    named = set()
    for where, path in paths_of(study):
        for name in re.findall(r"(?<!\$)\{(\w[\w.-]*)\}", path):
            named.add(name)
            if name not in study["folders"]:
                raise StudyError(f"{where}: {UnknownName('folder', name, study['folders'])}")
        if not path.strip():
            raise StudyError(f"{where} is empty; write the path of a file or folder")
        if "$" in os.path.expandvars(path):
            raise StudyError(f"{where}: {path} holds a variable that is not set: export it")
    for name in study["folders"]:
        if name not in named:
            raise StudyError(f"folders.{name} is in no path of the study; remove or correct it")


def check_files(study: dict[str, Any]) -> None:
    """Raise `StudyError` where files or folders are missing that have not been read yet."""
    results = Path("results", study["name"])
    missing = []
    for where, path in paths_of(study):
        family, name = where.split(".")[:2]
        place = Path(expand_folders(path, study["folders"]))
        if downloads_among(path, study["folders"]) or (results / family / name).exists():
            continue
        if not place.exists():
            missing.append((where, place, how_to_get(study[family][name].get("kind", ""))))
    if missing:
        where, place, advice = missing[0]
        more = ", ".join(dict.fromkeys(str(place) for _, place, _ in missing[1:]))
        raise StudyError(
            f"{where}: {place} does not exist; put it there or correct the path{advice}"
            + (f"; missing as well: {more}" if more else "")
        )


def how_to_get(kind: str) -> str:
    """Where the images of a kind of source come from, for a message."""
    # Not read by each job that parses the workflow.
    from shapebias.published_images import ARCHIVES, ON_REQUEST

    if kind in ON_REQUEST:
        return f" (to get it, {ON_REQUEST[kind]})"
    if kind in ARCHIVES:
        return f" (or have it brought: `folders: {{{kind}: {{download: {kind}}}}}`)"
    return ""


def paths_of(study: dict[str, Any]) -> list[tuple[str, str]]:
    """Place and text of every path in a study."""
    holders = []
    for name, entry in study["images"].items():
        if "kind" in entry:
            holders.append((f"images.{name}", "images", entry))
        if transform := entry.get("transform"):
            holders.append((f"images.{name}.transform", "transforms", transform))
            holders += [
                (f"images.{name}.transform.{key}", NESTED[key], transform[key])
                for key in NESTED
                if key in transform
            ]
    for name, entry in study["concepts"].items():
        holders.append((f"concepts.{name}", "images", entry))
    found = [
        (f"{where}.{key}", entry[key])
        for where, family, entry in holders
        for key in paths_among(family, entry)
    ]
    for family in ("segmenters", "models"):
        for name, entry in study[family].items():
            if (path := entry.get("weights", {}).get("path")) is not None:
                found.append((f"{family}.{name}.weights.path", path))
    return found


def references(study: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Place, family and name of every reference from one entry to another."""
    found = []
    for name, entry in study["images"].items():
        transform = entry.get("transform", {})
        for key, family, holder in (
            ("from", "images", entry),
            ("attack", "attacks", entry),
            ("styles", "images", transform),
            ("segmenter", "segmenters", transform),
        ):
            if key in holder:
                place = "transform." if holder is transform else ""
                found.append((f"images.{name}.{place}{key}", family, holder[key]))
    for name, entry in study["segmenters"].items():
        if "concepts" in entry:
            found.append((f"segmenters.{name}.concepts", "concepts", entry["concepts"]))
    for name, entry in study["models"].items():
        training = entry.get("training", {})
        for key in ("images", "validation"):
            if key in training:
                found.append((f"models.{name}.training.{key}", "images", training[key]))
        if "attack" in training.get("recipe", {}):
            place = f"models.{name}.training.recipe.attack"
            found.append((place, "attacks", training["recipe"]["attack"]))
    for name, pair in study["pairs"].items():
        found += [(f"pairs.{name}.{side}", "models", pair[side]) for side in ("standard", "robust")]
    for name, settings in study["measurements"].items():
        for key, value in (settings or {}).items():
            where = f"measurements.{name}.{key}"
            if key in ("clean", "noisy", "images"):
                found.append((where, "images", value))
            elif key.endswith("_sets"):
                found += [(where, "images", one) for one in value]
            elif key == "concepts":
                found.append((where, "concepts", value))
    return found


def check_uses(study: dict[str, Any]) -> None:
    """Raise `StudyError` where an adversarial set is used for more than predictions."""
    adversarial = {name for name, entry in study["images"].items() if "attack" in entry}
    for where, family, name in references(study):
        if family == "images" and name in adversarial and not where.endswith("_sets"):
            raise StudyError(
                f"{where}: {name!r} belongs to the network that it attacks and can only be "
                "scored (measurements.accuracy.image_sets)"
            )


def check_needs(study: dict[str, Any]) -> None:
    """Raise `StudyError` where a measurement needs what the study does not make or store."""
    measured = study["measurements"]
    if "ablation_by_concept" in measured and "dissection" not in measured:
        raise StudyError(
            "measurements.ablation_by_concept needs measurements.dissection, which says what each "
            "channel detects"
        )
    for name in ("ablation", "ablation_by_concept"):
        for key in ("images", "clean"):
            image_set = measured.get(name, {}).get(key)
            if study["images"].get(image_set, {}).get("materialize") is False:
                raise StudyError(
                    f"measurements.{name}.{key}: {image_set!r} is not stored; give it "
                    "`materialize: true`"
                )


def expand_folders(path: str, folders: dict[str, Any]) -> str:
    """A path with `{name}` replaced by the folder of that name, and $VARIABLES by theirs."""
    for name, folder in folders.items():
        place = folder if isinstance(folder, str) else f"{download_folder(folder)}/content"
        path = path.replace(f"{{{name}}}", place)
    return os.path.expanduser(os.path.expandvars(path))


def download_folder(folder: dict[str, Any]) -> str:
    """Where a downloaded image set lies, the same for every study."""
    archive = f".{folder['only'].partition('.')[0]}" if "only" in folder else ""
    return f"downloads/{folder['download']}{archive}"


def downloads_among(path: str, folders: dict[str, Any]) -> list[str]:
    """Downloads that a path names."""
    return [
        download_folder(folder)
        for name, folder in folders.items()
        if f"{{{name}}}" in path and not isinstance(folder, str)
    ]


def check_chain(images: dict[str, Any], name: str) -> None:
    """Raise `StudyError` if an image set is derived from itself or from one that is not stored."""
    seen = [name]
    while "from" in images[seen[-1]]:
        parent = images[seen[-1]]["from"]
        if parent in seen:
            raise StudyError(f"images.{name}: derived from itself ({' <- '.join([*seen, parent])})")
        if images[parent].get("materialize") is False and "from" in images[parent]:
            raise StudyError(
                f"images.{seen[-1]}.from: {parent!r} is not stored; give it `materialize: true`"
            )
        seen.append(parent)


def check_keys(where: str, entry: dict[str, Any], known: set[str]) -> None:
    """Raise `StudyError` for the first key of an entry that is not known."""
    for key in entry:
        if key not in known:
            raise StudyError(str(UnknownName(f"key in {where}", key, known)))


def dotted(path: Any) -> str:
    """Place in a study, as `models.alexnet.training`; `the study` for its top."""
    return ".".join(str(step) for step in path) or "the study"
