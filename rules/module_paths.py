"""Modules that a study's networks name as their layers, told wrong from right by building them.

That takes torch, which planning never loads: it is done in a process of its own, for those
networks alone that name modules of a library's network and are not made yet.
"""

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from rules.paths import results_of

LIBRARIES = ("torchvision", "timm")
ROOT = Path(__file__).parent.parent


def wrong_modules(study: dict[str, Any]) -> tuple[str, str] | None:
    """Place and mistake of the first network that cannot have its layers; None if there is none.

    A library that is not installed where the study is planned says nothing.
    """
    named = {
        name: {"input_size": entry.get("input_size"), **entry["architecture"]}
        for name, entry in study["models"].items()
        if entry["architecture"]["kind"] in LIBRARIES
        and entry["architecture"].get("layers")
        and find_spec(entry["architecture"]["kind"])
        and not results_of(study, "models", name).exists()
    }
    if not named:
        return None
    command = [sys.executable, "-m", "rules.module_paths"]
    given = {"input": json.dumps(named), "text": True, "capture_output": True, "cwd": ROOT}
    said = subprocess.run(command, check=False, **given).stdout
    # What fails otherwise is left to the network's own job, which says how.
    found = [line for line in said.splitlines() if line.startswith("mistake: ")]
    return tuple(json.loads(found[0].removeprefix("mistake: "))) if found else None


def main(named: dict[str, dict[str, Any]]) -> None:
    """Build networks, and print the first mistake."""
    from shapebias.building import WithoutDraws
    from shapebias.errors import ShapebiasError
    from shapebias.plugins import build

    for name, settings in named.items():
        try:
            with WithoutDraws():
                build("models", classes=["one", "other"], **settings)
        except ShapebiasError as error:
            print("mistake: " + json.dumps([f"models.{name}.architecture", str(error)]))
            return


if __name__ == "__main__":
    main(json.load(sys.stdin))
