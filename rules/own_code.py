"""Digests of a user's own modules, found where Python would find them and not imported."""

import ast
import hashlib
import sys
from functools import cache
from pathlib import Path

from rules.fingerprints import bare_digest
from shapebias.errors import UnknownName


@cache
def digest_of_module(module: str) -> str:
    """Digest of a module's code, and of those of its own package that it imports.

    Equal before and after an edit of a comment, docstring or layout. For a module that is not
    there it is "absent"; the job that imports it says so.
    """
    for folder in map(Path, sys.path):
        if found := _files(folder, module):
            return _digest(folder, found)
    return "absent"


def wrong_function(function: str) -> str | None:
    """What is wrong with a function "package.module:function"; None if nothing that can be seen.

    Nothing is imported. A module that is no Python text, or takes names from everywhere, may have
    any function.
    """
    module, _, name = function.partition(":")
    if not module or not name.isidentifier():
        return f"{function!r} names no function: write package.module:function"
    *above, last = module.split(".")
    folders = [folder.joinpath(*above) for folder in map(Path, sys.path)]
    near = [place.name for folder in folders for place in folder.glob(f"{last}*")]
    if last not in (name.partition(".")[0] for name in near):
        return (
            f"there is no module {module!r} where the study is planned: install its package, or "
            "put its folder on PYTHONPATH"
        )
    found = next(filter(None, (_files(folder, module) for folder in map(Path, sys.path))), None)
    if found is None:
        return None
    try:
        tree = _tree(found[-1])
        # What it imports of its own package is read as well.
        digest_of_module(module)
    except SyntaxError as error:
        return f"{error.filename}, line {error.lineno}, is no Python: {error.msg}"
    known = {name for node in ast.walk(tree) for name in _named(node)}
    if name in known or {"*", "__getattr__"} & known:
        return None
    return str(UnknownName(f"function of {module}", name, _functions(tree)))


def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_bytes(), filename=str(path))


def _functions(tree: ast.Module) -> list[str]:
    kinds = ast.FunctionDef | ast.ClassDef
    return [one.name for one in tree.body if isinstance(one, kinds) and one.name[0] != "_"]


def _named(node: ast.AST) -> list[str]:
    """Names that a node of a module's code may give something in the module."""
    match node:
        case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
            return [name]
        case ast.Name(id=name, ctx=ast.Store()):
            return [name]
        case ast.alias(name=name, asname=other):
            return [other or name]
    return []


def _digest(folder: Path, waiting: list[Path]) -> str:
    digests: dict[str, str] = {}
    while waiting:
        path = waiting.pop()
        name = path.relative_to(folder).as_posix()
        if name not in digests:
            tree = _tree(path)
            for imported in _imports(tree, name.split("/")):
                waiting += _files(folder, imported)
            digests[name] = bare_digest(tree)
    return hashlib.sha256(repr(sorted(digests.items())).encode()).hexdigest()


def _imports(tree: ast.Module, place: list[str]) -> set[str]:
    """Modules of a module's own package that it imports, or names that may be such modules."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            # One dot is the folder that the file lies in, each further one the folder above it.
            above = place[: len(place) - node.level] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            names |= {base, *(f"{base}.{alias.name}" for alias in node.names)}
    return {name for name in names if name.partition(".")[0] == place[0].removesuffix(".py")}


def _files(folder: Path, module: str) -> list[Path]:
    """A module's file and those of the packages that it lies in, which are run before it."""
    steps = module.split(".")
    places = [folder.joinpath(*steps[: count + 1]) for count in range(len(steps))]
    own = [places[-1].with_suffix(".py"), places[-1] / "__init__.py"]
    if not any(path.is_file() for path in own):
        return []
    above = [place / "__init__.py" for place in places[:-1]]
    return [path for path in (*above, *own) if path.is_file()]
