"""What the plug-ins are and which settings they take, read without importing them."""

import ast
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from shapebias.plugins import plugin_file
from shapebias.ranges import Range

LIBRARY = Path(__file__).parents[2] / "shapebias"
TYPES = {
    "int": int,
    "float": (int, float),
    "str": str,
    "bool": bool,
    "list": list,
    "dict": dict,
    "FilePath": str,
}


@dataclass(frozen=True)
class Setting:
    """One keyword of a plug-in's `build` that comes from the study."""

    type: str
    required: bool
    optional: bool
    # Those that are allowed; empty where all of the type are.
    choices: tuple[str | int, ...] = ()
    # Those that are allowed of numbers; all where there is none.
    numbers: Range | None = None


@cache
def settings_of(family: str, kind: str) -> dict[str, Setting]:
    """Settings of a plug-in that come from the study; what the workflow hands in is left out."""
    found = {}
    for argument, default in _arguments(family, kind):
        kinds = _alternatives(argument.annotation)
        optional = any(ast.unparse(one) == "None" for one in kinds)
        described = next(filter(None, map(_described, kinds)), None)
        if described:
            found[argument.arg] = Setting(required=default is None, optional=optional, **described)
    return found


def _alternatives(annotation: ast.expr | None) -> list[ast.expr]:
    """What stands on both sides of every `|` of an annotation."""
    if isinstance(annotation, ast.BinOp):
        return _alternatives(annotation.left) + _alternatives(annotation.right)
    return [annotation] if annotation else []


def _described(annotation: ast.expr) -> dict[str, Any] | None:
    """Type of a plain setting, with its choices or its range; None for everything else."""
    if not isinstance(annotation, ast.Subscript):
        name = ast.unparse(annotation)
        return {"type": name} if name in TYPES else None
    match ast.unparse(annotation.value):
        case "Literal":
            value = ast.literal_eval(annotation.slice)
            choices = value if isinstance(value, tuple) else (value,)
            return {"type": type(choices[0]).__name__, "choices": choices}
        case "Annotated":
            kind, limits = annotation.slice.elts
            bounds = {one.arg: ast.literal_eval(one.value) for one in limits.keywords}
            return {**_described(kind), "numbers": Range(**bounds)}
        case _:
            return _described(annotation.value)


def injected_arguments(family: str, kind: str) -> set[str]:
    """Arguments of a plug-in that are no plain settings: images, networks, other plug-ins."""
    names = {argument.arg for argument, _ in _arguments(family, kind)}
    return names - settings_of(family, kind).keys()


def _arguments(family: str, kind: str) -> list[tuple[ast.arg, ast.expr | None]]:
    """Keywords of a plug-in's `build`, with their defaults."""
    tree = ast.parse(plugin_file(family, kind).read_text(encoding="utf-8"))
    build = next(
        node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "build"
    )
    return list(zip(build.args.kwonlyargs, build.args.kw_defaults, strict=True))
