"""Expand entries with a `grid` into one entry for every combination of its values."""

import itertools
import re
from typing import Any

from planning.study.errors import StudyError

FAMILIES = ("images", "attacks", "models")


def expand_grids(study: dict[str, Any]) -> dict[str, Any]:
    """Replace every entry that has a `grid` by one entry for each combination of its values.

    The entry's name and settings contain the keys of its `grid` in braces, which are replaced by
    the values: ``"{corruption}_{severity}": {grid: {corruption: [fog, snow], severity: [1, 3]}}``.
    A list elsewhere in the study that contains such a name, for example the image sets to score,
    gets the names of all its combinations.

    Raises
    ------
    StudyError
        If a grid is not a mapping of lists, the entry's name lacks one of its keys, or two entries
        get the same name.
    """
    names: dict[str, list[str]] = {}
    expanded = {}
    for family in FAMILIES:
        entries = study.get(family)
        if isinstance(entries, dict):
            expanded[family] = {}
            for name, entry in entries.items():
                combinations = _expand_entry(family, name, entry)
                names[name] = [new_name for new_name, _ in combinations]
                for new_name, new_entry in combinations:
                    if new_name in expanded[family]:
                        raise StudyError(f"{family}.{name}: a second entry is named {new_name!r}")
                    expanded[family][new_name] = new_entry
    return {
        key: expanded[key] if key in expanded else _expand_lists(value, names)
        for key, value in study.items()
    }


def _expand_entry(family: str, name: str, entry: Any) -> list[tuple[str, Any]]:
    """Name and entry of every combination; only the entry itself if it has no `grid`."""
    if not isinstance(entry, dict) or "grid" not in entry:
        return [(name, entry)]
    grid = entry["grid"]
    if not isinstance(grid, dict) or not all(isinstance(v, list) and v for v in grid.values()):
        raise StudyError(f"{family}.{name}.grid must map each key to a list of values")
    for key in grid:
        if f"{{{key}}}" not in str(name):
            raise StudyError(f"{family}.{name}: the name must contain {{{key}}}, a key of its grid")
    settings = {key: value for key, value in entry.items() if key != "grid"}
    assignments = [
        dict(zip(grid, values, strict=True)) for values in itertools.product(*grid.values())
    ]
    return [
        (str(_substitute(name, assignment)), _substitute(settings, assignment))
        for assignment in assignments
    ]


def _substitute(value: Any, assignment: dict[str, Any]) -> Any:
    """Replace keys in braces by their values; a text that is only "{key}" gets the value's type."""
    if isinstance(value, dict):
        return {key: _substitute(part, assignment) for key, part in value.items()}
    if isinstance(value, list):
        return [_substitute(item, assignment) for item in value]
    if not isinstance(value, str):
        return value
    key = re.fullmatch(r"\{(\w+)\}", value)
    if key and key[1] in assignment:
        return assignment[key[1]]
    for key, replacement in assignment.items():
        value = value.replace(f"{{{key}}}", str(replacement))
    return value


def _expand_lists(value: Any, names: dict[str, list[str]]) -> Any:
    """Replace each name of an expanded entry in lists by the names of its combinations."""
    if isinstance(value, dict):
        return {key: _expand_lists(part, names) for key, part in value.items()}
    if isinstance(value, list):
        return [
            name
            for item in value
            for name in (names.get(item, [item]) if isinstance(item, str) else [item])
        ]
    return value
