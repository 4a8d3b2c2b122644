"""Check the function of a user's own network without importing it."""

import ast
import sys
from pathlib import Path

from planning.fingerprints.user_code import digest_of_module, module_files, syntax_tree
from shapebias.errors import UnknownName


def function_error(function: str) -> str | None:
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
    found = next(
        filter(None, (module_files(folder, module) for folder in map(Path, sys.path))), None
    )
    if found is None:
        return None
    try:
        tree = syntax_tree(found[-1])
        # What it imports of its own package is read as well.
        digest_of_module(module)
    except SyntaxError as error:
        return f"{error.filename}, line {error.lineno}, is no Python: {error.msg}"
    known = {name for node in ast.walk(tree) for name in _defined_names(node)}
    if name in known or {"*", "__getattr__"} & known:
        return None
    return str(UnknownName(f"function of {module}", name, _functions(tree)))


def _functions(tree: ast.Module) -> list[str]:
    kinds = ast.FunctionDef | ast.ClassDef
    return [one.name for one in tree.body if isinstance(one, kinds) and one.name[0] != "_"]


def _defined_names(node: ast.AST) -> list[str]:
    """Names that a node of a module's code may give something in the module."""
    match node:
        case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
            return [name]
        case ast.Name(id=name, ctx=ast.Store()):
            return [name]
        case ast.alias(name=name, asname=other):
            return [other or name]
    return []
