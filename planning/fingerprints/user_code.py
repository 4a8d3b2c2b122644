"""Digests of a user's own modules, which are found on Python's path and not imported."""

import ast
import hashlib
import sys
import sysconfig
from functools import cache
from pathlib import Path

from planning.fingerprints.code import bare_digest


@cache
def digest_of_module(module: str) -> str:
    """Return a digest of the code of a module and of all modules in its folder that it imports.

    The folder is the entry of Python's path that holds the module, with the modules and packages
    beside it. Of an installed module only its own package is followed.

    The digest is equal before and after an edit of a comment, docstring or layout. A missing
    module gives "absent"; the job that imports it raises the error.
    """
    for folder in map(Path, sys.path):
        if files := module_files(folder, module):
            return _digest(folder, files)
    return "absent"


def syntax_tree(path: Path) -> ast.Module:
    """Parse a module; raise `SyntaxError`, with its file name, if it is not valid Python."""
    return ast.parse(path.read_bytes(), filename=str(path))


def _digest(folder: Path, files: list[Path]) -> str:
    package = files[0].relative_to(folder).parts[0].removesuffix(".py")
    only_package = _is_installed(folder)
    digests: dict[str, str] = {}
    while files:
        path = files.pop()
        name = path.relative_to(folder).as_posix()
        if name not in digests:
            tree = syntax_tree(path)
            for module in _imports(tree, name.split("/")):
                if not only_package or module.partition(".")[0] == package:
                    files += module_files(folder, module)
            digests[name] = bare_digest(tree)
    return hashlib.sha256(repr(sorted(digests.items())).encode()).hexdigest()


def _is_installed(folder: Path) -> bool:
    """Return whether a folder of Python's path holds installed packages or the standard library."""
    standard = {Path(sysconfig.get_path(name)).resolve() for name in ("stdlib", "platstdlib")}
    return folder.resolve() in standard or folder.name in {"site-packages", "dist-packages"}


def _imports(tree: ast.Module, path_parts: list[str]) -> set[str]:
    """Return the names of the modules that a module imports, and names that may be modules."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            # One dot is the folder of the file, each further dot the folder above.
            parents = path_parts[: len(path_parts) - node.level] if node.level else []
            base = ".".join([*parents, *([node.module] if node.module else [])])
            names |= {base, *(f"{base}.{alias.name}" for alias in node.names)}
    # A relative import outside a package is an error when the module is run.
    return {name for name in names if name and not name.startswith(".")}


def module_files(folder: Path, module: str) -> list[Path]:
    """Return a module's file and those of the packages that contain it, which are run first."""
    steps = module.split(".")
    paths = [folder.joinpath(*steps[: count + 1]) for count in range(len(steps))]
    files = [paths[-1].with_suffix(".py"), paths[-1] / "__init__.py"]
    if not any(path.is_file() for path in files):
        return []
    packages = [path / "__init__.py" for path in paths[:-1]]
    return [path for path in (*packages, *files) if path.is_file()]
