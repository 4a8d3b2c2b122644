"""What the plug-ins are and which settings they take, read without importing them."""

import ast
from dataclasses import dataclass
from functools import cache
from pathlib import Path

LIBRARY = Path(__file__).parent.parent / "shapebias"
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
    choices: tuple[str, ...] = ()


@cache
def settings_of(family: str, kind: str) -> dict[str, Setting]:
    """Settings of a plug-in that come from the study; what the workflow hands in is left out."""
    found = {}
    for argument, default in _arguments(family, kind):
        annotation = ast.unparse(argument.annotation) if argument.annotation else ""
        names = [part.strip().split("[")[0] for part in annotation.split("|")]
        known = [name for name in names if name in TYPES]
        if known:
            found[argument.arg] = Setting(known[0], default is None, "None" in names)
        elif names[0] == "Literal":
            choices = ast.literal_eval(annotation.removeprefix("Literal"))
            found[argument.arg] = Setting("str", default is None, False, tuple(choices))
    return found


def handed_in(family: str, kind: str) -> set[str]:
    """Arguments of a plug-in that are no plain settings: images, networks, other plug-ins."""
    names = {argument.arg for argument, _ in _arguments(family, kind)}
    return names - settings_of(family, kind).keys()


def _arguments(family: str, kind: str) -> list[tuple[ast.arg, ast.expr | None]]:
    """Keywords of a plug-in's `build`, with their defaults."""
    tree = ast.parse((LIBRARY / family / f"{kind}.py").read_text(encoding="utf-8"))
    build = next(
        node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "build"
    )
    return list(zip(build.args.kwonlyargs, build.args.kw_defaults, strict=True))
