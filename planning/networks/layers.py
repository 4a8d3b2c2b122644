"""Check names of networks, weights and layers before a run.

Planning itself never imports torch: one subprocess asks torchvision and timm, and only about
networks that need it and have not been made. A library that is not installed where the study is
planned is not asked; the network's job then reports a wrong name.
"""

import ast
import json
import subprocess
import sys
from collections.abc import Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from planning.study.errors import StudyError, at_key
from planning.study.paths import results_of
from shapebias.errors import UnknownLayer, UnknownName
from shapebias.plugins import plugin_file
from shapebias.weights.torchvision_names import torchvision_name

LIBRARIES = ("torchvision", "timm")
ROOT = Path(__file__).parents[2]
ERROR = "error in the study: "
Entry = dict[str, Any]


def check_layers(study: Entry) -> None:
    """Raise `StudyError` for the first network, weights or layer that does not exist."""
    measured = {
        f"measurements.{name}.layers": settings["layers"]
        for name, settings in study["measurements"].items()
        if "layers" in settings
    }
    entries = {
        name: entry
        for name, entry in study["models"].items()
        if _needs_library(entry) and not results_of(study, "models", name).exists()
    }
    if entries:
        _ask_libraries(entries, measured)
    for name, entry in study["models"].items():
        _check_measured(name, layers_of(entry["architecture"]), measured)


def _needs_library(entry: Entry) -> bool:
    """Whether an installed library has to check the names in an entry."""
    library = "torchvision" if "name" in entry.get("weights", {}) else entry["architecture"]["kind"]
    return library in LIBRARIES and find_spec(library) is not None


def _ask_libraries(entries: dict[str, Entry], measured: dict[str, list[str]]) -> None:
    """Check entries in a subprocess; raise `StudyError` for the first error."""
    process = subprocess.run(
        [sys.executable, "-m", "planning.networks.layers"],
        input=json.dumps([entries, measured]),
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )
    # If the subprocess itself fails, the network's job reports why.
    for line in process.stdout.splitlines():
        if line.startswith(ERROR):
            raise StudyError(line.removeprefix(ERROR))


def layers_of(architecture: Entry) -> list[str] | None:
    """Names of an architecture's layers; None if only the built network has them."""
    if architecture.get("layers"):
        return list(architecture["layers"])
    return _layers_of_kind(architecture["kind"])


@cache
def _layers_of_kind(kind: str) -> list[str] | None:
    """Value of the constant `LAYERS` in an architecture's file, if it has one."""
    for node in ast.parse(plugin_file("architectures", kind).read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "LAYERS":
            return list(ast.literal_eval(node.value))
    return None


def _check_measured(name: str, known: Sequence[str] | None, measured: dict[str, list[str]]) -> None:
    """Raise `StudyError` for the first measured layer that a network with known layers lacks."""
    for where, layers in measured.items():
        for layer in layers:
            if known and layer not in known:
                raise StudyError(f"{where}: {UnknownLayer(f'layer of {name}', layer, known)}")


def main(entries: dict[str, Entry], measured: dict[str, list[str]]) -> None:
    """Print the first error in entries of networks; imports torch and the libraries."""
    try:
        for name, entry in entries.items():
            check_names(name, entry)
            architecture = entry["architecture"]
            if architecture["kind"] in LIBRARIES and (measured or architecture.get("layers")):
                _check_built(name, entry, measured)
    except StudyError as error:
        print(f"{ERROR}{error}")


def check_names(name: str, entry: Entry) -> None:
    """Raise `StudyError` if a library lacks the network or the weights that an entry names."""
    from shapebias.torchvision_import import torchvision

    models = torchvision.models
    architecture, weights = entry["architecture"], entry.get("weights", {}).get("name")
    with at_key(f"models.{name}.architecture.name"):
        if architecture["kind"] == "timm":
            _check_timm_name(architecture["name"])
        if architecture["kind"] == "torchvision":
            known = models.list_models(module=models)
            if architecture["name"] not in known:
                raise UnknownName("network of torchvision", architecture["name"], known)
    if weights:
        network = torchvision_name(architecture)
        known = list(models.get_model_weights(network).__members__)
        with at_key(f"models.{name}.weights"):
            if weights not in known:
                raise UnknownName(f"weights of torchvision's {network}", weights, known)


def _check_timm_name(name: str) -> None:
    """Raise `UnknownName` if timm lacks a network or, after a point, its weights."""
    import timm

    network, _, tag = name.partition(".")
    if not timm.is_model(network):
        raise UnknownName("network of timm", network, timm.list_models())
    tags = [weights.partition(".")[2] for weights in timm.list_pretrained(f"{network}.*")]
    if tag and tag not in tags:
        raise UnknownName(f"weights of timm's {network}", tag, tags)


def _check_built(name: str, entry: Entry, measured: dict[str, list[str]]) -> None:
    """Raise `StudyError` if a network cannot be built or lacks a measured layer."""
    from shapebias.networks.build import build_network
    from shapebias.networks.skip_init import skip_weight_init

    with at_key(f"models.{name}.architecture"), skip_weight_init():
        network = build_network(entry["architecture"], ["one", "other"], entry.get("input_size"))
    _check_measured(name, network.layers, measured)


if __name__ == "__main__":
    main(*json.load(sys.stdin))
