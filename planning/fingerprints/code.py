"""Fingerprints of the code that a job runs, without comments, docstrings, layout and file names.

Digests of modules form a Merkle tree: a module's digest covers its syntax tree, in which every
import of another module of the library is replaced by the digest of that module. Paths are left
out, so that moving or renaming a module changes no fingerprint.
"""

import ast
import hashlib
from functools import cache
from pathlib import Path
from typing import NamedTuple

from planning.fingerprints.package_versions import PACKAGES
from shapebias.errors import ShapebiasError
from shapebias.plugins import FAMILIES

ROOT = Path(__file__).parents[2]
LIBRARY = "shapebias"
# Calls of this function import a module of the library that only some settings need. For those
# settings the rule adds the module's digest.
LAZY_IMPORT = "library_module"
# Calls of this function import optional packages, named by its arguments.
PACKAGE_IMPORT = "import_package"


class Module(NamedTuple):
    """Digest of a module and the library modules it imports, with the packages they import."""

    digest: str
    packages: frozenset[str] = frozenset()


@cache
def fingerprint(script: str, plugins: tuple[tuple[str, str], ...] = ()) -> str:
    """Return the SHA-256 of the code that a job runs.

    Parameters
    ----------
    script
        Name of the rule's script, without folder and suffix.
    plugins
        Family and kind of each plug-in that the job's settings name. The family `shapebias` names
        any other module of the library by its dotted path within it.

    Returns
    -------
    Digest of the script, of the library modules that it imports directly or indirectly, and of the
    plug-ins with the modules that they import. Editing a comment, docstring or layout does not
    change it; nor does moving or renaming a module.

    Raises
    ------
    ShapebiasError
        If modules import each other in a cycle.
    """
    digests = sorted(_module(path).digest for path in _plugin_files(plugins))
    return hashlib.sha256(repr([_script(script).digest, digests]).encode()).hexdigest()


@cache
def packages(script: str, plugins: tuple[tuple[str, str], ...] = ()) -> tuple[str, ...]:
    """Return the packages that a job's code imports and that can change a result, sorted."""
    modules = [_script(script), *(_module(path) for path in _plugin_files(plugins))]
    return tuple(sorted(frozenset().union(*(module.packages for module in modules))))


def _script(script: str) -> Module:
    return _module(ROOT / "scripts" / f"{script}.py")


def _plugin_files(plugins: tuple[tuple[str, str], ...]) -> set[Path]:
    packages = {**FAMILIES, LIBRARY: ""}
    return {
        ROOT.joinpath(LIBRARY, *packages[family].split("."), *kind.split(".")).with_suffix(".py")
        for family, kind in plugins
    }


@cache
def _module(path: Path) -> Module:
    if path in _IMPORTERS:
        cycle = " imports ".join(file.name for file in (*_IMPORTERS, path))
        raise ShapebiasError(f"modules import each other in a cycle: {cycle}")
    _IMPORTERS.append(path)
    try:
        return _read(path)
    finally:
        _IMPORTERS.pop()


# Modules whose imports are being followed; each imports the next.
_IMPORTERS: list[Path] = []


def _read(path: Path) -> Module:
    imports = _LibraryImports()
    tree = imports.visit(ast.parse(path.read_text(encoding="utf-8")))
    data = sorted(hashlib.sha256(file.read_bytes()).hexdigest() for file in _data_files(tree))
    content = [bare_digest(tree), sorted(imports.names), data]
    packages = {name.split(".")[0] for name in _imported_names(tree)} & PACKAGES.keys()
    return Module(
        hashlib.sha256(repr(content).encode()).hexdigest(), frozenset(packages) | imports.packages
    )


class _LibraryImports(ast.NodeTransformer):
    """Removes imports of the library from a syntax tree and collects what they import.

    A name that is bound to a module is replaced by that module's digest wherever it is used.

    Attributes
    ----------
    names
        Module digest, imported name and local name of each import.
    packages
        Packages that the imported modules import.
    """

    def __init__(self) -> None:
        self._modules: dict[str, str] = {}
        self.names: set[tuple[str, str, str]] = set()
        self.packages: frozenset[str] = frozenset()

    def visit_Module(self, node: ast.Module) -> ast.Module:
        # Imports first, since a function can use a name that is imported below it.
        for inner in ast.walk(node):
            if isinstance(inner, ast.ImportFrom | ast.Import):
                self._collect(inner)
        self.generic_visit(node)
        return node

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.AST:
        return ast.Pass() if _is_library(node.module or "") else node

    def visit_Import(self, node: ast.Import) -> ast.AST:
        others = [alias for alias in node.names if not _is_library(alias.name)]
        return ast.Import(names=others) if others else ast.Pass()

    def visit_Name(self, node: ast.Name) -> ast.AST:
        return ast.Name(id=self._modules.get(node.id, node.id), ctx=node.ctx)

    def visit_Call(self, node: ast.Call) -> ast.AST:
        if _called(node) == LAZY_IMPORT:
            return ast.Name(id=LAZY_IMPORT, ctx=ast.Load())
        return self.generic_visit(node)

    def _collect(self, node: ast.ImportFrom | ast.Import) -> None:
        if isinstance(node, ast.Import):
            for alias in node.names:
                if _is_library(alias.name):
                    self._add(alias.name, "", alias.asname or alias.name)
        elif node.module and _is_library(node.module):
            for alias in node.names:
                bound = alias.asname or alias.name
                # The name may itself be a module.
                inner = f"{node.module}.{alias.name}"
                if _file(inner):
                    self._modules[bound] = self._add(inner, "", "")
                else:
                    self._add(node.module, alias.name, bound)

    def _add(self, module: str, name: str, bound: str) -> str:
        file = _file(module)
        if file is None:
            return ""
        imported = _module(file)
        self.packages |= imported.packages
        self.names.add((imported.digest, name, bound))
        return f"module {imported.digest}"


def _is_library(module: str) -> bool:
    return module.split(".")[0] == LIBRARY


def _file(module: str) -> Path | None:
    path = ROOT.joinpath(*module.split("."))
    files = (path.with_suffix(".py"), path / "__init__.py")
    return next((file for file in files if file.is_file()), None)


def bare_digest(tree: ast.Module) -> str:
    """Return the SHA-256, in hexadecimal, of a syntax tree without docstrings and `pass`.

    They are removed from `tree`.
    """
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list) and body:
            if _is_docstring(body[0]):
                del body[0]
            body[:] = [statement for statement in body if not isinstance(statement, ast.Pass)]
    return hashlib.sha256(_plain(tree).encode()).hexdigest()


def _plain(node: object) -> str:
    """Return a syntax tree as text, without empty fields, which differ between Python versions."""
    if isinstance(node, list):
        return f"[{','.join(map(_plain, node))}]"
    if not isinstance(node, ast.AST):
        return repr(node)
    fields = [(name, value) for name, value in ast.iter_fields(node) if value not in (None, [])]
    inside = ",".join(f"{name}={_plain(value)}" for name, value in fields)
    return f"{type(node).__name__}({inside})"


def _imported_names(tree: ast.Module) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
        elif isinstance(node, ast.Call) and _called(node) == PACKAGE_IMPORT:
            names |= {
                argument.value
                for argument in node.args
                if isinstance(argument, ast.Constant) and isinstance(argument.value, str)
            }
    return names


def _called(node: ast.Call) -> str:
    """Return the name of the called function, without its object or module."""
    return getattr(node.func, "attr", getattr(node.func, "id", ""))


def _data_files(tree: ast.Module) -> list[Path]:
    """Return the files of `shapebias/data` that a module names in a string constant."""
    folder = ROOT / LIBRARY / "data"
    texts = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)}
    return [path for path in folder.glob("*") if path.name in texts]


def _is_docstring(node: ast.stmt) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )
