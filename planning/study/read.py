"""A study as its file gives it, checked and completed with defaults."""

import copy
from pathlib import Path
from typing import Any

import yaml

from planning.study.attack_radii import check_attacks
from planning.study.entries import check_plugins
from planning.study.errors import StudyError
from planning.study.expand import expand_grids
from planning.study.paths import check_folders
from planning.study.references import check_references
from planning.study.schema import check_schema, fill_defaults

ROOT = Path(__file__).parents[2]
SCHEMA = ROOT / "config.schema.yaml"
DEFAULT = ROOT / "config.yaml"


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
        study = merge(yaml.safe_load(DEFAULT.read_text(encoding="utf-8")), study)
    try:
        study = expand_grids(study)
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
    check_attacks(study)
    check_folders(study)
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


def merge(base: dict[str, Any], change: dict[str, Any]) -> dict[str, Any]:
    """A mapping with the keys of another put over its own, level by level."""
    result = dict(base)
    for key, value in change.items():
        both = isinstance(value, dict) and isinstance(result.get(key), dict)
        result[key] = merge(result[key], value) if both else value
    return result
