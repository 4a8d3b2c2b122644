"""Names of networks and of their layers, told wrong from right without importing torch."""

import ast
import re
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from planning.networks.starts import Networks, whole_architecture
from shapebias.errors import UnknownLayer, UnknownName
from shapebias.plugins import plugin_file
from shapebias.weights.torchvision_names import torchvision_name

# How each library notes the networks that it has, in the files that hold their code.
NOTED = {
    "torchvision": r"^@register_model\(\)\n(?:@.*\n|[ )].*\n)*def (\w+)",
    "timm": r"^@register_model\s*\n(?:@.*\n)*def (\w+)",
}
MULTILINE_DOT = re.MULTILINE | re.DOTALL
# timm goes on to take names of former versions.
FORMER = r"^register_model_deprecations\(__name__, \{(.*?)^\}"
# Networks of torchvision with the layers that the plug-ins of these kinds have.
ALIKE = {"alexnet": "alexnet", "googlenet": "googlenet", r"(wide_)?resn(e|ex)t\d\w*": "resnet"}


def network_name_error(architecture: dict[str, Any]) -> str | None:
    """What is wrong with the name of a network of torchvision's or timm's; None if nothing.

    A library that is not installed where the study is planned says nothing.
    """
    library = architecture["kind"]
    if library not in NOTED or not (files := _files(library)):
        return None
    # What stands after a point is timm's name of a set of weights.
    name = architecture["name"].partition("." if library == "timm" else "\n")[0]
    # Reading a library's files takes a tenth of finding all that is in them.
    holders = [file for file in files if name in _text(file) and name in _names(library, file)]
    if not holders:
        return str(UnknownName(f"network of {library}", name, names_of(library)))
    tag = architecture["name"].partition(".")[2]
    known = timm_tags(name, holders) if library == "timm" else set()
    if tag and known and tag not in known:
        return str(UnknownName(f"weights of timm's {name}", tag, known))
    return None


def timm_tags(name: str, files: list[Path]) -> set[str]:
    """Names of timm's sets of weights of a network, by the files that hold its code."""
    form = rf"^ +['\"]{name}\.(\w+)['\"]\s*:"
    return {tag for file in files for tag in re.findall(form, _text(file), re.MULTILINE)}


def weights_error(architecture: dict[str, Any], name: str) -> str | None:
    """What is wrong with a name of torchvision's published weights; None if nothing."""
    network = torchvision_name(architecture)
    known = torchvision_weights(network)
    if not known or name in known:
        return None
    return str(UnknownName(f"weights of torchvision's {network}", name, known))


def torchvision_weights(network: str) -> set[str]:
    """Names of the weights that torchvision publishes for a network; none where it is not here."""
    for file in _files("torchvision"):
        # Its list of weights is named where the network's function takes one of them.
        if found := re.search(rf"^def {network}\(.*?(\w+_Weights)\]", _text(file), MULTILINE_DOT):
            listed = re.search(rf"^class {found[1]}\(.*?(?=^\S)", _text(file), MULTILINE_DOT)
            return set(re.findall(r"^    (\w+) = ", listed[0], re.MULTILINE))
    return set()


def names_of(library: str) -> set[str]:
    """Names of all networks that a library has."""
    return {name for file in _files(library) for name in _names(library, file)}


def layer_error(networks: Networks, measured: dict[str, Any]) -> tuple[str, str] | None:
    """Place and mistake of the first layer that a network has not; None if there is none.

    Layers that are known only when a network is built, as timm's stages, are left to its job.
    """
    for measurement, settings in measured.items():
        for layer in (settings or {}).get("layers", []):
            for name in networks:
                known = layers_of(whole_architecture(networks, name))
                if known and layer not in known:
                    where = f"measurements.{measurement}.layers"
                    return where, str(UnknownLayer(f"layer of {name}", layer, known))
    return None


def layers_of(architecture: dict[str, Any]) -> list[str] | None:
    """Names of an architecture's layers; None where it has to be built to know them."""
    if architecture.get("layers"):
        return list(architecture["layers"])
    kind = architecture["kind"]
    if kind == "torchvision":
        name = architecture["name"]
        kind = next((one for form, one in ALIKE.items() if re.fullmatch(form, name)), kind)
    return _constant(kind, "LAYERS")


@cache
def _constant(kind: str, name: str) -> list[str] | None:
    """Texts that a plug-in's file gives a name, where it does."""
    for node in ast.parse(plugin_file("architectures", kind).read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == name:
            return list(ast.literal_eval(node.value))
    return None


@cache
def _files(library: str) -> list[Path]:
    """Files with a library's networks; none where it is not installed."""
    found = find_spec(library)
    return sorted(Path(found.origin).parent.glob("models/*.py")) if found else []


@cache
def _text(file: Path) -> str:
    return file.read_text(encoding="utf-8")


@cache
def _names(library: str, file: Path) -> set[str]:
    found = set(re.findall(NOTED[library], _text(file), re.MULTILINE))
    for block in re.findall(FORMER, _text(file), MULTILINE_DOT):
        found |= set(re.findall(r"^\s+['\"](\w+)['\"]\s*:", block, re.MULTILINE))
    return found
