"""Import optional Python packages, and find files that packages ship."""

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
    """Path of the only file in a package that matches a pattern.

    Parameters
    ----------
    package
        Name under which the package is imported.
    pattern
        Name or glob pattern, with or without folders: "*.pth", "models/*.pth".

    Raises
    ------
    ShapebiasError
        If the package is absent, or the number of matching files is not one.
    """
    # `__path__` and not the files' own loader: weights must be plain files to be read by path.
    folder = Path(next(iter(import_package(package).__path__)))
    files = sorted(file for file in folder.rglob(pattern) if file.is_file())
    if len(files) != 1:
        names = ", ".join(file.relative_to(folder).as_posix() for file in files[:5]) or "none"
        raise ShapebiasError(
            f"the Python package {package} should ship one file {pattern!r}; found: {names}"
        )
    return files[0]
