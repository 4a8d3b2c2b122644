"""Settings of plug-ins, read from their source code without importing them."""

import ast
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from shapebias.errors import ShapebiasError
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
    """Setting of a plug-in that the study gives.

    Parameters
    ----------
    type
        A key of `TYPES`.
    required
        Whether it has no default.
    optional
        Whether it may be null.
    choices
        Allowed values; empty if all of the type are allowed.
    numbers
        Range of allowed numbers; None if all numbers are allowed.
    """

    type: str
    required: bool
    optional: bool
    choices: tuple[str | int, ...] = ()
    numbers: Range | None = None


class Argument(NamedTuple):
    """Field or keyword of a plug-in."""

    name: str
    annotation: ast.expr | None
    default: ast.expr | None


@cache
def settings_of(family: str, kind: str) -> dict[str, Setting]:
    """Settings of a plug-in that the study gives, by name.

    Arguments that the workflow passes, for example images and networks, are left out.
    """
    settings = {}
    for argument in arguments_of(family, kind):
        alternatives = _alternatives(argument.annotation)
        optional = any(ast.unparse(alternative) == "None" for alternative in alternatives)
        described = next(filter(None, map(_describe, alternatives)), None)
        if described:
            required = argument.default is None
            settings[argument.name] = Setting(required=required, optional=optional, **described)
    return settings


def _alternatives(annotation: ast.expr | None) -> list[ast.expr]:
    """Split an annotation at every `|`."""
    if isinstance(annotation, ast.BinOp):
        return _alternatives(annotation.left) + _alternatives(annotation.right)
    return [annotation] if annotation else []


def _describe(annotation: ast.expr) -> dict[str, Any] | None:
    """Type of a setting with its choices or range; None for any other argument."""
    if not isinstance(annotation, ast.Subscript):
        name = ast.unparse(annotation)
        return {"type": name} if name in TYPES else None
    match ast.unparse(annotation.value):
        case "Literal":
            value = ast.literal_eval(annotation.slice)
            choices = value if isinstance(value, tuple) else (value,)
            return {"type": type(choices[0]).__name__, "choices": choices}
        case "Annotated":
            base, limits = annotation.slice.elts
            bounds = {limit.arg: ast.literal_eval(limit.value) for limit in limits.keywords}
            return {**_describe(base), "numbers": Range(**bounds)}
        case _:
            return _describe(annotation.value)


def injected_arguments(family: str, kind: str) -> set[str]:
    """Arguments of a plug-in that are not plain settings: images, networks, other plug-ins."""
    names = {argument.name for argument in arguments_of(family, kind)}
    return names - settings_of(family, kind).keys()


def arguments_of(family: str, kind: str) -> list[Argument]:
    """Fields of a plug-in's dataclass, or keywords of its function `build`."""
    *bases, node = plugin_nodes(family, kind)
    if isinstance(node, ast.ClassDef):
        return _fields([*bases, node])
    pairs = zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True)
    return [Argument(argument.arg, argument.annotation, default) for argument, default in pairs]


def plugin_nodes(family: str, kind: str) -> list[ast.ClassDef | ast.FunctionDef]:
    """Syntax tree of a plug-in, after those of its base classes in the same folder.

    A plug-in is a class decorated with `plugin`, or a function `build`.
    """
    file = plugin_file(family, kind)
    for node in _statements(file):
        if isinstance(node, ast.FunctionDef) and node.name == "build":
            return [node]
        decorators = getattr(node, "decorator_list", [])
        if isinstance(node, ast.ClassDef) and "plugin" in map(ast.unparse, decorators):
            return _with_bases(node, file)
    raise ShapebiasError(f"{file} has neither a `@plugin` class nor a `build`")


def _with_bases(node: ast.ClassDef, file: Path) -> list[ast.ClassDef]:
    classes = []
    for base in map(ast.unparse, node.bases):
        for place in (file, *sorted(file.parent.glob("_*.py"))):
            if parent := _find_class(place, base):
                classes += _with_bases(parent, place)
                break
    return [*classes, node]


def _fields(classes: list[ast.ClassDef]) -> list[Argument]:
    """Fields of a dataclass, given its base classes and itself."""
    fields: dict[str, Argument] = {}
    for statement in (statement for node in classes for statement in node.body):
        if isinstance(statement, ast.AnnAssign):
            annotation = ast.unparse(statement.annotation)
            if not annotation.startswith("ClassVar"):
                name = ast.unparse(statement.target)
                fields[name] = Argument(name, statement.annotation, statement.value)
    return list(fields.values())


def _find_class(file: Path, name: str) -> ast.ClassDef | None:
    classes = (node for node in _statements(file) if isinstance(node, ast.ClassDef))
    return next((node for node in classes if node.name == name), None)


@cache
def _statements(file: Path) -> list[ast.stmt]:
    return ast.parse(file.read_text(encoding="utf-8")).body
