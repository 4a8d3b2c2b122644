"""Fingerprints of code: what a job runs, without its comments, docstrings and layout."""

import ast
import hashlib
from functools import cache
from pathlib import Path
from typing import NamedTuple

from rules.packages import PACKAGES

ROOT = Path(__file__).parent.parent


class Module(NamedTuple):
    """What is read of a module: its bare syntax tree, and what it imports or names."""

    digest: bytes
    files: tuple[Path, ...] = ()
    packages: frozenset[str] = frozenset()


@cache
def fingerprint(script: str, plugins: tuple[tuple[str, str], ...] = ()) -> str:
    """SHA-256 of the code that a job runs.

    Parameters
    ----------
    script
        Name of the rule's script, without folder and suffix.
    plugins
        Family and kind of each plug-in that the job's settings name.

    Returns
    -------
    Digest over the script, the library modules that it imports, directly or not, and the
    plug-ins with theirs. Equal before and after an edit of a comment, docstring or layout.
    """
    digest = hashlib.sha256()
    for path in _reached(script, plugins):
        digest.update(path.relative_to(ROOT).as_posix().encode())
        digest.update(_read(path).digest)
    return digest.hexdigest()


@cache
def packages(script: str, plugins: tuple[tuple[str, str], ...] = ()) -> tuple[str, ...]:
    """Packages that can change a result which the code that a job runs imports, sorted."""
    return tuple(sorted(set().union(*(_read(path).packages for path in _reached(script, plugins)))))


@cache
def _reached(script: str, plugins: tuple[tuple[str, str], ...]) -> tuple[Path, ...]:
    found: set[Path] = set()
    waiting = [ROOT / "scripts" / f"{script}.py"]
    waiting += [ROOT / "shapebias" / family / f"{kind}.py" for family, kind in plugins]
    while waiting:
        path = waiting.pop()
        if path not in found:
            found.add(path)
            waiting.extend(_read(path).files)
    return tuple(sorted(found))


@cache
def _read(path: Path) -> Module:
    if path.suffix != ".py":
        return Module(hashlib.sha256(path.read_bytes()).digest())
    tree = ast.parse(path.read_text(encoding="utf-8"))
    names = _imports(tree)
    imported = tuple(file for name in names for file in _files(name)) + _tables(tree)
    known = frozenset({name.split(".")[0] for name in names} & PACKAGES.keys())
    return Module(bytes.fromhex(bare_digest(tree)), imported, known)


def bare_digest(tree: ast.Module) -> str:
    """SHA-256, in hexadecimal, of a module's syntax tree, from which the docstrings are taken."""
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list) and body and _is_docstring(body[0]):
            del body[0]
    return hashlib.sha256(_plain(tree).encode()).hexdigest()


def _plain(node: object) -> str:
    """Text of a syntax tree, without empty fields: versions of Python differ in which they have."""
    if isinstance(node, list):
        return f"[{','.join(map(_plain, node))}]"
    if not isinstance(node, ast.AST):
        return repr(node)
    fields = [(name, value) for name, value in ast.iter_fields(node) if value not in (None, [])]
    inside = ",".join(f"{name}={_plain(value)}" for name, value in fields)
    return f"{type(node).__name__}({inside})"


def _imports(tree: ast.Module) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
            # The name may itself be a module: `from shapebias import dissection`.
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Call) and getattr(node.func, "id", "") == "import_package":
            names |= {one.value for one in node.args if isinstance(one, ast.Constant)}
    return names


def _tables(tree: ast.Module) -> tuple[Path, ...]:
    """Files of `shapebias/data` that a module names."""
    folder = ROOT / "shapebias" / "data"
    texts = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)}
    return tuple(path for path in folder.glob("*") if path.name in texts)


def _files(module: str) -> list[Path]:
    if module.split(".")[0] != "shapebias":
        return []
    path = ROOT.joinpath(*module.split("."))
    candidates = [path.with_suffix(".py"), path / "__init__.py"]
    return [candidate for candidate in candidates if candidate.is_file()]


def _is_docstring(node: ast.stmt) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )
