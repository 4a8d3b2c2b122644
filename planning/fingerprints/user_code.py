"""Digests of a user's own modules, found where Python would find them and not imported."""

import ast
import hashlib
import sys
from functools import cache
from pathlib import Path

from planning.fingerprints.code import bare_digest


@cache
def digest_of_module(module: str) -> str:
    """Digest of a module's code, and of those of its own package that it imports.

    Equal before and after an edit of a comment, docstring or layout. For a module that is not
    there it is "absent"; the job that imports it says so.
    """
    for folder in map(Path, sys.path):
        if found := module_files(folder, module):
            return _digest(folder, found)
    return "absent"


def syntax_tree(path: Path) -> ast.Module:
    """Parse a module; raise `SyntaxError`, with its file name, where it is no Python."""
    return ast.parse(path.read_bytes(), filename=str(path))


def _digest(folder: Path, waiting: list[Path]) -> str:
    digests: dict[str, str] = {}
    while waiting:
        path = waiting.pop()
        name = path.relative_to(folder).as_posix()
        if name not in digests:
            tree = syntax_tree(path)
            for imported in _imports(tree, name.split("/")):
                waiting += module_files(folder, imported)
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


def module_files(folder: Path, module: str) -> list[Path]:
    """A module's file and those of the packages that it lies in, which are run before it."""
    steps = module.split(".")
    places = [folder.joinpath(*steps[: count + 1]) for count in range(len(steps))]
    own = [places[-1].with_suffix(".py"), places[-1] / "__init__.py"]
    if not any(path.is_file() for path in own):
        return []
    above = [place / "__init__.py" for place in places[:-1]]
    return [path for path in (*above, *own) if path.is_file()]
