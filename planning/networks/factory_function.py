"""Check the function of a user's own network without importing its module."""

import symtable
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import find_spec
from pathlib import Path

from planning.fingerprints.user_code import digest_of_module
from planning.study.errors import StudyError
from shapebias.errors import UnknownName


def check_function(where: str, function: str) -> None:
    """Raise `StudyError` unless a module has a function "package.module:function".

    A compiled module, or one that imports `*`, may have any function.

    Parameters
    ----------
    where
        Key of the function in the study, for the message.
    function
        Module and function, separated by a colon.
    """
    module, _, name = function.partition(":")
    if not module or not name.isidentifier():
        raise StudyError(f"{where}: {function!r} is not of the form package.module:function")
    spec = _find_module(module)
    if spec is None:
        raise StudyError(
            f"{where}: there is no module {module!r} where the study is planned: install its "
            "package, or put its folder on PYTHONPATH"
        )
    if not str(spec.origin).endswith(".py"):
        return
    try:
        source = Path(spec.origin).read_bytes()
        table = symtable.symtable(source, spec.origin, "exec")
        # Parses the modules in the same folder that the module imports as well.
        digest_of_module(module)
    except SyntaxError as error:
        raise StudyError(
            f"{where}: syntax error in {error.filename}, line {error.lineno}: {error.msg}"
        ) from None
    symbols = {symbol.get_name(): symbol for symbol in table.get_symbols()}
    if b"import *" not in source and not {name, "__getattr__"} & symbols.keys():
        functions = [key for key in symbols if symbols[key].is_namespace() and key[0] != "_"]
        raise StudyError(f"{where}: {UnknownName(f'function of {module}', name, functions)}")


def _find_module(module: str) -> ModuleSpec | None:
    """Find a module without importing the packages that contain it."""
    package, *steps = module.split(".")
    spec = find_spec(package)
    for step in steps:
        spec = spec and PathFinder.find_spec(step, list(spec.submodule_search_locations or []))
    return spec
