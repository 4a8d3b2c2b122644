"""Digests of a user's own modules, found where Python would find them and not imported."""

import ast
import hashlib
import sys
from functools import cache
from pathlib import Path

from rules.fingerprints import bare_digest


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


def _digest(folder: Path, waiting: list[Path]) -> str:
    digests: dict[str, str] = {}
    while waiting:
        path = waiting.pop()
        name = path.relative_to(folder).with_suffix("").as_posix()
        if name not in digests:
            tree = ast.parse(path.read_text(encoding="utf-8"))
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
    return {name for name in names if name.partition(".")[0] == place[0]}


def _files(folder: Path, module: str) -> list[Path]:
    path = folder.joinpath(*module.split("."))
    candidates = [path.with_suffix(".py"), path / "__init__.py"]
    return [candidate for candidate in candidates if module and candidate.is_file()]
