"""Plug-ins: each is one file in its family's package that defines one dataclass or function.

The dataclass is decorated with `plugin`; its fields are the settings. A field's annotation states
its type and range, its default is the value where the study sets none, and the class docstring
describes it. An architecture is a function `build` instead, whose keywords are the settings.
"""

import importlib
import inspect
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType, NoneType
from typing import Annotated, Any, Literal, TypeVar, dataclass_transform, get_args, get_origin

from shapebias.errors import ShapebiasError, UnknownName
from shapebias.ranges import Range

T = TypeVar("T")

# Type of a setting that names a file or folder: the workflow expands variables in the path, and
# re-runs jobs when the content changes.
FilePath = str

# Package of each family in the library. Modules whose names begin with `_` are not plug-ins.
FAMILIES = {
    "datasets": "stimuli.datasets",
    "transforms": "stimuli.transforms",
    "corruptions": "stimuli.corruptions",
    "stylizers": "stimuli.stylizers",
    "segmenters": "stimuli.segmenters",
    "architectures": "networks.architectures",
    "attacks": "attacks",
    "recipes": "training.recipes",
    "figures": "report.figures",
}

# Settings of a transform that are themselves plug-ins, and the families of these.
NESTED = {"stylizer": "stylizers", "corruption": "corruptions"}


@dataclass_transform(frozen_default=True, kw_only_default=True)
def plugin(cls: type[T]) -> type[T]:
    """Make a class the plug-in of its file: a frozen dataclass that `build` instantiates."""
    plugin_class = dataclass(frozen=True, kw_only=True)(cls)
    vars(sys.modules[cls.__module__])["build"] = plugin_class
    return plugin_class


def kinds(family: str) -> list[str]:
    """List the kinds of a family in alphabetical order."""
    return sorted(path.stem for path in family_folder(family).glob("[!_]*.py"))


def family_folder(family: str) -> Path:
    """Return the folder with the plug-ins of a family."""
    return Path(__file__).parent.joinpath(*FAMILIES[family].split("."))


def plugin_file(family: str, kind: str) -> Path:
    """Return the path of a plug-in's file."""
    return family_folder(family) / f"{kind}.py"


def build(family: str, *, kind: str, **settings: Any) -> Any:
    """Build a plug-in from its settings.

    Parameters
    ----------
    family
        A key of `FAMILIES`: "transforms", "attacks", ...
    kind
        File in its package, without the suffix.
    settings
        Fields of the plug-in's dataclass, or keywords of its function.

    Raises
    ------
    UnknownName
        If the family has no such kind, or the kind no such setting.
    ShapebiasError
        If a setting without a default is missing, or a value is not allowed by the `Literal` or
        `Range` in the setting's annotation.

    Examples
    --------
    >>> build("transforms", kind="scramble", patches=4)
    Scramble(patches=4)
    """
    factory = factory_of(family, kind)
    known = inspect.signature(factory).parameters
    for name in settings:
        if name not in known:
            raise UnknownName(f"setting of {family}/{kind}", name, known)
    for name, parameter in known.items():
        if parameter.default is parameter.empty and name not in settings:
            raise ShapebiasError(f"{family}/{kind} needs the setting {name!r}")
    for name, value in settings.items():
        _check_value(f"{family}/{kind}", name, value, known[name].annotation)
    return factory(**settings)


def factory_of(family: str, kind: str) -> Callable[..., Any]:
    """Return the dataclass or function of a plug-in, whose annotations state its settings."""
    return _module(family, kind).build


def _check_value(plugin: str, name: str, value: Any, annotation: Any) -> None:
    alternatives = get_args(annotation) if NoneType in get_args(annotation) else (annotation,)
    if value is None and NoneType in alternatives:
        return
    for alternative in alternatives:
        arguments = get_args(alternative)
        if get_origin(alternative) is Literal and value not in arguments:
            raise UnknownName(f"{name} of {plugin}", value, arguments)
        if get_origin(alternative) is Annotated:
            for limits in arguments:
                if isinstance(limits, Range) and (error := limits.error(value)):
                    raise ShapebiasError(f"{plugin}: {name}: {error}")


def draw(figure: str, **inputs: Any) -> Any:
    """Draw a Matplotlib figure from tables and pairs, by a plug-in of the family `figures`."""
    return _module("figures", figure).draw(**inputs)


def library_module(name: str) -> ModuleType:
    """Import a module that only some settings need, by its dotted path within the library.

    An import statement would make the module part of every job's fingerprint. The rule adds it to
    the fingerprint of the jobs whose settings need it.
    """
    return importlib.import_module(f"shapebias.{name}")


def _module(family: str, kind: str) -> ModuleType:
    if kind not in kinds(family):
        raise UnknownName(f"kind in {family}", kind, kinds(family))
    return library_module(f"{FAMILIES[family]}.{kind}")
