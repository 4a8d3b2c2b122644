"""Optional Python packages: imported where they are needed, and asked for by name when absent."""

import importlib
from pathlib import Path
from types import ModuleType

from shapebias.errors import ShapebiasError


def import_package(package: str) -> ModuleType:
    """Import a package that not every installation has.

    Raises
    ------
    ShapebiasError
        If the package is absent. An error inside the package itself is not hidden.
    """
    try:
        return importlib.import_module(package)
    except ModuleNotFoundError as error:
        if error.name != package:
            raise
        raise ShapebiasError(
            f"the Python package {package} is not installed: pip install {package}"
        ) from error


def file_in_package(package: str, pattern: str) -> Path:
    """The one file that a package ships under a name.

    Parameters
    ----------
    package
        Name under which the package is imported.
    pattern
        Name or glob pattern, with or without folders: "*.pth", "models/*.pth".

    Raises
    ------
    ShapebiasError
        If the package is absent, or ships no such file or several.
    """
    # `__path__` and not the files' own loader: weights must be plain files to be read by path.
    folder = Path(next(iter(import_package(package).__path__)))
    found = sorted(file for file in folder.rglob(pattern) if file.is_file())
    if len(found) != 1:
        listed = ", ".join(file.relative_to(folder).as_posix() for file in found[:5]) or "none"
        raise ShapebiasError(
            f"the Python package {package} should ship one file {pattern!r}; found: {listed}"
        )
    return found[0]
