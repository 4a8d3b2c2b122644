"""Digests of a user's own modules, which are found on Python's path and not imported."""

import ast
import hashlib
import sys
from functools import cache
from pathlib import Path

from planning.fingerprints.code import bare_digest


@cache
def digest_of_module(module: str) -> str:
    """Return a digest of a module's code and of the modules of its own package that it imports.

    Equal before and after an edit of a comment, docstring or layout. A missing module gives
    "absent"; the job that imports it raises the error.
    """
    for folder in map(Path, sys.path):
        if files := module_files(folder, module):
            return _digest(folder, files)
    return "absent"


def syntax_tree(path: Path) -> ast.Module:
    """Parse a module; raise `SyntaxError`, with its file name, if it is not valid Python."""
    return ast.parse(path.read_bytes(), filename=str(path))


def _digest(folder: Path, files: list[Path]) -> str:
    digests: dict[str, str] = {}
    while files:
        path = files.pop()
        name = path.relative_to(folder).as_posix()
        if name not in digests:
            tree = syntax_tree(path)
            for module in _imports(tree, name.split("/")):
                files += module_files(folder, module)
            digests[name] = bare_digest(tree)
    return hashlib.sha256(repr(sorted(digests.items())).encode()).hexdigest()


def _imports(tree: ast.Module, path_parts: list[str]) -> set[str]:
    """Return the modules of a module's own package that it imports, or names that may be such."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            # One dot is the folder of the file, each further dot the folder above.
            parents = path_parts[: len(path_parts) - node.level] if node.level else []
            base = ".".join([*parents, *([node.module] if node.module else [])])
            names |= {base, *(f"{base}.{alias.name}" for alias in node.names)}
    package = path_parts[0].removesuffix(".py")
    return {name for name in names if name.partition(".")[0] == package}


def module_files(folder: Path, module: str) -> list[Path]:
    """Return a module's file and those of the packages that contain it, which are run first."""
    steps = module.split(".")
    paths = [folder.joinpath(*steps[: count + 1]) for count in range(len(steps))]
    files = [paths[-1].with_suffix(".py"), paths[-1] / "__init__.py"]
    if not any(path.is_file() for path in files):
        return []
    packages = [path / "__init__.py" for path in paths[:-1]]
    return [path for path in (*packages, *files) if path.is_file()]
