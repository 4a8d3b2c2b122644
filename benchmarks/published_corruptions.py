"""The package imagecorruptions, with current versions of NumPy and scikit-image.

It was written for older versions. The names that were removed since are defined again; the code of
the package is not changed.
"""

import importlib
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np

from shapebias.errors import ShapebiasError


def load() -> tuple[Callable, Path]:
    """Return `corrupt(image, severity=..., corruption_name=...)` and the folder of frost pictures.

    Raises
    ------
    ShapebiasError
        If the package or one of its dependencies is not installed.
    """
    try:
        _define_removed_names()
        package = importlib.import_module("imagecorruptions")
        importlib.import_module("cv2").setNumThreads(1)
    except ImportError as error:
        raise ShapebiasError(
            f"the baseline is not installed ({error}):"
            " pip install --no-deps -r benchmarks/requirements.txt"
        ) from error
    return package.corrupt, Path(package.__file__).parent / "frost"


def _define_removed_names() -> None:
    filters = importlib.import_module("skimage.filters")
    warnings.filterwarnings("ignore", category=DeprecationWarning)
    np.float_ = np.float64
    resources = ModuleType("pkg_resources")
    resources.resource_filename = _resource
    sys.modules.setdefault("pkg_resources", resources)
    if not hasattr(filters.gaussian, "__wrapped__"):
        filters.gaussian = _with_multichannel(filters.gaussian)


def _resource(module: str, name: str) -> str:
    return str(Path(sys.modules[module].__file__).parent / name)


def _with_multichannel(gaussian: Callable) -> Callable:
    def wrapped(image, *arguments, multichannel=False, **settings):
        axis = -1 if multichannel else None
        return gaussian(image, *arguments, channel_axis=axis, **settings)

    wrapped.__wrapped__ = gaussian
    return wrapped
