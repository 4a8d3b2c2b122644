"""Families of entries that differ in a few settings, written once in a study."""

import itertools
import re
from typing import Any

FAMILIES = ("images", "attacks", "models")


def expand_grids(study: dict[str, Any]) -> dict[str, Any]:
    """A study whose entries with `grid` are replaced by one entry for every combination.

    The name of such an entry holds the names under `grid` in braces, as in
    ``"{corruption}_{severity}": {grid: {corruption: [fog, snow], severity: [1, 3]}, ...}``; in the
    rest of the entry they stand for the values. A list that holds the name, as that of the image
    sets to score, gets the names of all.

    Raises
    ------
    ValueError
        If an entry with `grid` would not have a different name for every combination.
    """
    names: dict[str, list[str]] = {}
    result = dict(study)
    for family in FAMILIES:
        entries = study.get(family)
        if isinstance(entries, dict):
            result[family] = {}
            for name, entry in entries.items():
                found = combinations(family, name, entry)
                names[name] = list(found)
                result[family].update(found)
    return {
        key: value if key in FAMILIES else with_lists(value, names) for key, value in result.items()
    }


def combinations(family: str, name: str, entry: Any) -> dict[str, Any]:
    """Entries that one entry stands for, by name: itself, where it has no `grid`."""
    if not isinstance(entry, dict) or "grid" not in entry:
        return {name: entry}
    grid = entry["grid"]
    if not isinstance(grid, dict) or not all(isinstance(v, list) and v for v in grid.values()):
        raise ValueError(f"{family}.{name}.grid gives each name a list of values")
    for key in grid:
        if f"{{{key}}}" not in name:
            raise ValueError(f"{family}.{name}: the name must hold {{{key}}}, one of its `grid`")
    rest = {key: value for key, value in entry.items() if key != "grid"}
    found = {}
    for values in itertools.product(*grid.values()):
        chosen = dict(zip(grid, values, strict=True))
        found[filled(name, chosen)] = filled(rest, chosen)
    return found


def filled(value: Any, chosen: dict[str, Any]) -> Any:
    """A setting with values in place of their names in braces; alone they keep their type."""
    if isinstance(value, dict):
        return {key: filled(one, chosen) for key, one in value.items()}
    if isinstance(value, list):
        return [filled(one, chosen) for one in value]
    if not isinstance(value, str):
        return value
    whole = re.fullmatch(r"\{(\w+)\}", value)
    if whole and whole[1] in chosen:
        return chosen[whole[1]]
    for key, one in chosen.items():
        value = value.replace(f"{{{key}}}", str(one))
    return value


def with_lists(value: Any, names: dict[str, list[str]]) -> Any:
    """A part of a study whose lists hold every name for which a name stands."""
    if isinstance(value, dict):
        return {key: with_lists(one, names) for key, one in value.items()}
    if isinstance(value, list):
        return [
            found
            for one in value
            for found in (names.get(one, [one]) if isinstance(one, str) else [one])
        ]
    return value
