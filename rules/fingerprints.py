"""Fingerprints of code: what a job runs, without its comments, docstrings and layout."""

import ast
import hashlib
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parent.parent


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
    start = [ROOT / "scripts" / f"{script}.py"]
    start += [ROOT / "shapebias" / family / f"{kind}.py" for family, kind in plugins]
    digest = hashlib.sha256()
    for path in sorted(_reached(start)):
        digest.update(path.relative_to(ROOT).as_posix().encode())
        digest.update(_read(path)[0])
    return digest.hexdigest()


def _reached(start: list[Path]) -> set[Path]:
    found: set[Path] = set()
    waiting = list(start)
    while waiting:
        path = waiting.pop()
        if path not in found:
            found.add(path)
            waiting.extend(_read(path)[1])
    return found


@cache
def _read(path: Path) -> tuple[bytes, tuple[Path, ...]]:
    """Digest of a module's bare syntax tree, and the library's files that it imports or names."""
    if path.suffix != ".py":
        return hashlib.sha256(path.read_bytes()).digest(), ()
    tree = ast.parse(path.read_text(encoding="utf-8"))
    imported = tuple(file for name in _imports(tree) for file in _files(name)) + _tables(tree)
    return bytes.fromhex(bare_digest(tree)), imported


def bare_digest(tree: ast.Module) -> str:
    """SHA-256, in hexadecimal, of a module's syntax tree, from which the docstrings are taken."""
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list) and body and _is_docstring(body[0]):
            del body[0]
    return hashlib.sha256(ast.dump(tree).encode()).hexdigest()


def _imports(tree: ast.Module) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
            # The name may itself be a module: `from shapebias import dissection`.
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return {name for name in names if name.split(".")[0] == "shapebias"}


def _tables(tree: ast.Module) -> tuple[Path, ...]:
    """Files of `shapebias/data` that a module names."""
    folder = ROOT / "shapebias" / "data"
    texts = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)}
    return tuple(path for path in folder.glob("*") if path.name in texts)


def _files(module: str) -> list[Path]:
    path = ROOT.joinpath(*module.split("."))
    candidates = [path.with_suffix(".py"), path / "__init__.py"]
    return [candidate for candidate in candidates if candidate.is_file()]


def _is_docstring(node: ast.stmt) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )
