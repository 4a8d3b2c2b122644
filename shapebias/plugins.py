"""Plug-ins: each is one file in its family's package that defines one dataclass or function.

The fields of the dataclass, decorated with `plugin`, are the settings: their annotations say type
and range, their defaults what holds where a study says nothing, and the class's docstring what
they mean. An architecture is a function `build` instead, whose keywords are the settings.
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

# Type of a setting that names a file or folder: the workflow writes out what stands for its place,
# and watches it.
FilePath = str

# Family to its package in the library. Modules whose names begin with `_` are no plug-ins.
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

# Settings of a transform that are plug-ins themselves, and their families.
NESTED = {"stylizer": "stylizers", "corruption": "corruptions"}


@dataclass_transform(frozen_default=True, kw_only_default=True)
def plugin(cls: type[T]) -> type[T]:
    """Make a class the plug-in of its file: a frozen dataclass that `build` instantiates."""
    made = dataclass(frozen=True, kw_only=True)(cls)
    sys.modules[cls.__module__].build = made
    return made


def kinds(family: str) -> list[str]:
    """Kinds of a family, in alphabetical order."""
    return sorted(path.stem for path in family_folder(family).glob("[!_]*.py"))


def family_folder(family: str) -> Path:
    """Folder with the plug-ins of a family."""
    return Path(__file__).parent.joinpath(*FAMILIES[family].split("."))


def plugin_file(family: str, kind: str) -> Path:
    """File of a plug-in."""
    return family_folder(family) / f"{kind}.py"


def build(family: str, *, kind: str, **settings: Any) -> Any:
    """What a plug-in builds from its settings.

    Parameters
    ----------
    family
        A key of `FAMILIES`: "transforms", "attacks", ...
    kind
        File in its package, without the suffix.
    settings
        Keywords of the plug-in's `build`.

    Raises
    ------
    UnknownName
        If there is no such kind, or it has no such setting.
    ShapebiasError
        If a setting without a default is missing, or one has a value that its annotation, with
        `Literal` or a `Range`, does not allow.
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
    """A plug-in's own `build`, whose annotations say which settings it takes."""
    return _module(family, kind).build


def _check_value(plugin: str, name: str, value: Any, annotation: Any) -> None:
    kinds_of = get_args(annotation) if NoneType in get_args(annotation) else (annotation,)
    if value is None and NoneType in kinds_of:
        return
    for one in kinds_of:
        if get_origin(one) is Literal and value not in get_args(one):
            raise UnknownName(f"{name} of {plugin}", value, get_args(one))
        if get_origin(one) is Annotated:
            limits = [limit for limit in get_args(one) if isinstance(limit, Range)]
            if wrong := next(filter(None, (limit.wrong(value) for limit in limits)), None):
                raise ShapebiasError(f"{plugin}: {name}: {wrong}")


def draw(figure: str, **inputs: Any) -> Any:
    """Matplotlib figure that a plug-in of the family `figures` draws from tables and pairs."""
    return _module("figures", figure).draw(**inputs)


def library_module(name: str) -> ModuleType:
    """Module of the library that only some settings need, by its dotted path within the library.

    It is not imported by a statement, so that the fingerprint of a job whose settings do not need
    it leaves it out; the rule adds it where they do.
    """
    return importlib.import_module(f"shapebias.{name}")


def _module(family: str, kind: str) -> ModuleType:
    if kind not in kinds(family):
        raise UnknownName(f"kind in {family}", kind, kinds(family))
    return library_module(f"{FAMILIES[family]}.{kind}")
