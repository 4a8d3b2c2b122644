"""What the plug-ins are and which settings they take, read without importing them."""

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
    """One keyword of a plug-in's `build` that comes from the study."""

    type: str
    required: bool
    optional: bool
    # Those that are allowed; empty where all of the type are.
    choices: tuple[str | int, ...] = ()
    # Those that are allowed of numbers; all where there is none.
    numbers: Range | None = None


class Argument(NamedTuple):
    """A field or keyword of a plug-in."""

    name: str
    annotation: ast.expr | None
    default: ast.expr | None


@cache
def settings_of(family: str, kind: str) -> dict[str, Setting]:
    """Settings of a plug-in that come from the study; what the workflow hands in is left out."""
    found = {}
    for argument in arguments_of(family, kind):
        kinds = _alternatives(argument.annotation)
        optional = any(ast.unparse(one) == "None" for one in kinds)
        described = next(filter(None, map(_described, kinds)), None)
        if described:
            required = argument.default is None
            found[argument.name] = Setting(required=required, optional=optional, **described)
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
    names = {argument.name for argument in arguments_of(family, kind)}
    return names - settings_of(family, kind).keys()


def arguments_of(family: str, kind: str) -> list[Argument]:
    """Fields of a plug-in's dataclass, or keywords of its `build`."""
    node = plugin_node(family, kind)
    if isinstance(node, ast.ClassDef):
        return _fields(node, plugin_file(family, kind))
    pairs = zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True)
    return [Argument(argument.arg, argument.annotation, default) for argument, default in pairs]


def plugin_node(family: str, kind: str) -> ast.ClassDef | ast.FunctionDef:
    """Syntax tree of a plug-in's dataclass, decorated with `plugin`, or of its `build`."""
    for node in ast.parse(plugin_file(family, kind).read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef) and node.name == "build":
            return node
        decorators = getattr(node, "decorator_list", [])
        if isinstance(node, ast.ClassDef) and "plugin" in map(ast.unparse, decorators):
            return node
    raise ShapebiasError(f"{plugin_file(family, kind)} has neither a `@plugin` class nor a `build`")


def _fields(node: ast.ClassDef, file: Path) -> list[Argument]:
    """Fields of a dataclass, those of its base classes in this project first."""
    found: dict[str, Argument] = {}
    for base in map(ast.unparse, node.bases):
        for place in (file, *sorted(file.parent.glob("_*.py"))):
            if inherited := _class_in(place, base):
                found |= {argument.name: argument for argument in _fields(inherited, place)}
                break
    for statement in node.body:
        if isinstance(statement, ast.AnnAssign):
            annotation = ast.unparse(statement.annotation)
            if not annotation.startswith("ClassVar"):
                name = ast.unparse(statement.target)
                found[name] = Argument(name, statement.annotation, statement.value)
    return list(found.values())


def _class_in(file: Path, name: str) -> ast.ClassDef | None:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    classes = (node for node in tree.body if isinstance(node, ast.ClassDef))
    return next((node for node in classes if node.name == name), None)
