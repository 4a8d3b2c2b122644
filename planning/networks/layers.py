"""Layers that a study names of its networks, told wrong from right by building them.

That takes torch, which planning never loads: it is done in a process of its own, for those
networks alone whose layers only their library knows, and which are not made yet.
"""

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from planning.networks.names import layers_of
from planning.study.paths import results_of

LIBRARIES = ("torchvision", "timm")
ROOT = Path(__file__).parents[2]


def module_error(study: dict[str, Any]) -> tuple[str, str] | None:
    """Place and mistake of the first network that cannot have its layers; None if there is none.

    They are those that its architecture names modules for, or that a measurement is of.

    A library that is not installed where the study is planned says nothing.
    """
    measured = {
        f"measurements.{name}.layers": settings["layers"]
        for name, settings in study["measurements"].items()
        if (settings or {}).get("layers")
    }
    named = {
        name: {"input_size": entry.get("input_size"), **entry["architecture"]}
        for name, entry in study["models"].items()
        if entry["architecture"]["kind"] in LIBRARIES
        and (
            entry["architecture"].get("layers")
            or (measured and not layers_of(entry["architecture"]))
        )
        and find_spec(entry["architecture"]["kind"])
        and not results_of(study, "models", name).exists()
    }
    if not named:
        return None
    command = [sys.executable, "-m", "planning.networks.layers"]
    given = {
        "input": json.dumps([named, measured]),
        "text": True,
        "capture_output": True,
        "cwd": ROOT,
    }
    said = subprocess.run(command, check=False, **given).stdout
    # What fails otherwise is left to the network's own job, which says how.
    found = [line for line in said.splitlines() if line.startswith("mistake: ")]
    return tuple(json.loads(found[0].removeprefix("mistake: "))) if found else None


def main(named: dict[str, dict[str, Any]], measured: dict[str, list[str]]) -> None:
    """Build networks, and print the first mistake."""
    for name, settings in named.items():
        if wrong := _mistake(name, settings, measured):
            print("mistake: " + json.dumps(wrong))
            return


def _mistake(
    name: str, settings: dict[str, Any], measured: dict[str, list[str]]
) -> tuple[str, str] | None:
    from shapebias.errors import ShapebiasError, UnknownLayer
    from shapebias.networks.build import build_network
    from shapebias.networks.skip_init import skip_weight_init

    size = settings.pop("input_size")
    try:
        with skip_weight_init():
            known = build_network(settings, ["one", "other"], size).layers
    except ShapebiasError as error:
        return f"models.{name}.architecture", str(error)
    for where, layers in measured.items():
        for layer in layers:
            if layer not in known:
                return where, str(UnknownLayer(f"layer of {name}", layer, known))
    return None


if __name__ == "__main__":
    main(*json.load(sys.stdin))
