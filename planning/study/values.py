"""Values of a study that only the library can judge: the plug-ins are built, without their data."""

from pathlib import Path
from typing import Any

import yaml

from planning.networks.factory_function import function_error
from planning.networks.layers import module_error
from planning.networks.names import layer_error, network_name_error, weights_error
from planning.study.errors import StudyError
from planning.study.paths import paths_among
from planning.study.plugin_settings import injected_arguments
from shapebias import plugins
from shapebias.errors import ShapebiasError
from shapebias.networks.architectures._timm_settings import setting_error
from shapebias.stimuli.dataset_downloads import check_request


def check_values(study: dict[str, Any], files: list[Path]) -> None:
    """Raise `StudyError` for a value or name that a plug-in refuses, or a key that stands twice.

    What needs torch, files or other images to be built is left to its job. It takes half a second,
    so it is for the process that plans, not for each job.

    Parameters
    ----------
    study
        Checked and completed.
    files
        It was read from; empty for the default one.
    """
    for file in files:
        check_keys_once(file)
    for name, folder in study["folders"].items():
        if not isinstance(folder, str):
            refused(f"folders.{name}", check_request, folder["download"], folder.get("only"))
    for name, entry in study["models"].items():
        if wrong := wrong_of_network(entry):
            raise StudyError(f"models.{name}.{wrong}")
    if wrong := layer_error(study["models"], study["measurements"]):
        raise StudyError(": ".join(wrong))
    if wrong := module_error(study):
        raise StudyError(": ".join(wrong))
    for name, entry in study["images"].items():
        if transform := entry.get("transform"):
            refused(f"images.{name}.transform", build_alone, transform)


def wrong_of_network(entry: dict[str, Any]) -> str | None:
    """Key and mistake of the first name in a network's entry that nothing has; None if none."""
    architecture = entry["architecture"]
    if wrong := network_name_error(architecture):
        return f"architecture.name: {wrong}"
    if architecture["kind"] == "factory" and (wrong := function_error(architecture["function"])):
        return f"architecture.function: {wrong}"
    timms = architecture["kind"] == "timm"
    if timms and (wrong := setting_error(architecture.get("settings") or {})):
        return f"architecture.settings: {wrong}"
    weights = entry.get("weights", {}).get("name")
    if weights and (wrong := weights_error(architecture, weights)):
        return f"weights: {wrong}"
    return None


def build_alone(transform: dict[str, Any]) -> None:
    """Build a transform that needs nothing but its settings."""
    nested = plugins.NESTED.keys() & transform.keys()
    needs = injected_arguments("transforms", transform["kind"]) - plugins.NESTED.keys()
    if needs or "stylizer" in nested or paths_among("transforms", transform):
        return
    settings = dict(transform)
    for key in nested:
        if paths_among(plugins.NESTED[key], transform[key]):
            return
        settings[key] = plugins.build(plugins.NESTED[key], **transform[key])
    plugins.build("transforms", **settings)


def refused(where: str, check: Any, *values: Any) -> None:
    """Raise what a check says of an entry as the study's mistake."""
    try:
        check(*values)
    except ShapebiasError as error:
        raise StudyError(f"{where}: {error}") from None


def check_keys_once(file: Path) -> None:
    """Raise `StudyError` where YAML would let a key's second value replace the first."""
    nodes = [yaml.compose(file.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)]
    while nodes:
        node = nodes.pop()
        if isinstance(node, yaml.MappingNode):
            seen = set()
            for key, value in node.value:
                if key.value in seen and key.tag != "tag:yaml.org,2002:merge":
                    line = key.start_mark.line + 1
                    raise StudyError(f"{file}, line {line}: the key {key.value!r} stands twice")
                seen.add(key.value)
                nodes.append(value)
        elif isinstance(node, yaml.SequenceNode):
            nodes += node.value
