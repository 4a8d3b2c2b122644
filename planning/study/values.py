"""Check values that only the library can judge, by building plug-ins without their data."""

from pathlib import Path
from typing import Any

from planning.networks.factory_function import check_function
from planning.networks.layers import check_layers
from planning.study.errors import StudyError, at_key
from planning.study.paths import paths_among
from planning.study.plugin_settings import injected_arguments
from planning.study.yaml_check import check_file
from shapebias.networks.architectures._timm_settings import setting_error
from shapebias.plugins import NESTED, build
from shapebias.stimuli.dataset_downloads import check_request


def check_values(study: dict[str, Any], files: list[Path]) -> None:
    """Raise `StudyError` for a value or name that a plug-in refuses, or a duplicate key.

    Plug-ins that need torch, files or other images are checked by their jobs. The check takes half
    a second (some seconds if torch has to be imported), so only the planning process runs it.

    Parameters
    ----------
    study
        Checked and completed study.
    files
        Files it was read from; empty for the default study.
    """
    for file in files:
        check_file(file)
    for name, folder in study["folders"].items():
        if not isinstance(folder, str):
            with at_key(f"folders.{name}"):
                check_request(folder["download"], folder.get("only"))
    for name, entry in study["models"].items():
        where, architecture = f"models.{name}.architecture", entry["architecture"]
        if architecture["kind"] == "factory":
            check_function(f"{where}.function", architecture["function"])
        settings = architecture.get("settings") or {}
        if architecture["kind"] == "timm" and (error := setting_error(settings)):
            raise StudyError(f"{where}.settings: {error}")
    check_layers(study)
    for name, entry in study["images"].items():
        if transform := entry.get("transform"):
            with at_key(f"images.{name}.transform"):
                _build_alone(transform)


def _build_alone(transform: dict[str, Any]) -> None:
    """Build a transform if it needs nothing but its settings."""
    nested = NESTED.keys() & transform.keys()
    needs = injected_arguments("transforms", transform["kind"]) - NESTED.keys()
    if needs or "stylizer" in nested or paths_among("transforms", transform):
        return
    settings = dict(transform)
    for key in nested:
        if paths_among(NESTED[key], transform[key]):
            return
        settings[key] = build(NESTED[key], **transform[key])
    build("transforms", **settings)
