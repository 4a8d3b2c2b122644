"""Read a study: expand its grids, check it and fill in its defaults."""

import copy
from pathlib import Path
from typing import Any

import yaml

from planning.study.attack_radii import check_attacks
from planning.study.entries import check_plugins
from planning.study.expand import expand_grids
from planning.study.image_sizes import check_patches
from planning.study.paths import check_folders
from planning.study.references import check_references
from planning.study.schema import check_numbers, check_schema, fill_defaults
from planning.study.yaml_check import leaves

ROOT = Path(__file__).parents[2]
SCHEMA = ROOT / "config.schema.yaml"
DEFAULT = ROOT / "config.yaml"
FAMILIES = ("images", "concepts", "segmenters", "attacks", "models", "pairs")


def read_study(config: dict[str, Any], *, whole: bool) -> dict[str, Any]:
    """Check and complete a study.

    Parameters
    ----------
    config
        Keys from ``--configfile`` and ``--config``.
    whole
        Whether `config` is a whole study; otherwise it changes single keys of the default study.

    Returns
    -------
    The study with its grids expanded and all defaults, its keys in a fixed order.

    Raises
    ------
    StudyError
        For the first error found.
    """
    for _ in leaves(config):
        pass
    study = copy.deepcopy(config)
    if not whole:
        study = merge(yaml.safe_load(DEFAULT.read_text(encoding="utf-8")), study)
    study = expand_grids(study)
    schema = yaml.safe_load(SCHEMA.read_text(encoding="utf-8"))
    check_numbers(study)
    check_schema(study, schema)
    check_plugins(study)
    for entry in study["models"].values():
        if isinstance(entry.get("weights"), str):
            entry["weights"] = {"name": entry["weights"]}
    fill_defaults(study, schema, schema)
    check_references(study)
    check_attacks(study)
    check_patches(study["images"])
    check_folders(study)
    return _sort_keys(study)


def _sort_keys(study: dict[str, Any]) -> dict[str, Any]:
    """Sort the keys of a study, so that their order in the file changes no job.

    The entries of a family and the items of lists keep their order: tables and figures use it.
    """

    def sort(value: Any) -> Any:
        if isinstance(value, list):
            return [sort(item) for item in value]
        if isinstance(value, dict):
            return {key: sort(value[key]) for key in sorted(value, key=str)}
        return value

    return {
        key: {name: sort(entry) for name, entry in study[key].items()}
        if key in FAMILIES
        else sort(study[key])
        for key in sorted(study)
    }


def merge(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """Merge two mappings level by level; where both have a value, `changes` wins.

    Examples
    --------
    >>> merge({"a": {"b": 1, "c": 2}}, {"a": {"b": 3}})
    {'a': {'b': 3, 'c': 2}}
    """
    result = dict(base)
    for key, value in changes.items():
        both = isinstance(value, dict) and isinstance(result.get(key), dict)
        result[key] = merge(result[key], value) if both else value
    return result
