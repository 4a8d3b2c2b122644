"""Versions of the packages that a study's results are made with.

They are noted when a study first runs. A package that is another one since is told of and changes
nothing; `make renew` notes the versions of now, and what was made with others runs again.
"""

import json
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from shapebias.io.checksums import FOLDER, RESULTS

# Packages that can change a result, by the name under which they are imported.
PACKAGES = {
    "cairosvg": "CairoSVG",
    "cv2": "opencv-python-headless",
    "matplotlib": "matplotlib",
    "numpy": "numpy",
    "pandas": "pandas",
    "PIL": "pillow",
    "potrace": "pypotrace",
    "pyarrow": "pyarrow",
    "safetensors": "safetensors",
    "scipy": "scipy",
    "timm": "timm",
    "torch": "torch",
    "torchvision": "torchvision",
}


def installed() -> dict[str, str]:
    """Versions of now, by the name under which a package is imported."""
    found = {}
    for name, distribution in PACKAGES.items():
        try:
            found[name] = version(distribution)
        except PackageNotFoundError:
            continue
    return found


def recorded_versions(study: str) -> dict[str, str]:
    """Versions that a study's results were made with; those of now where none were noted."""
    try:
        found = json.loads(_note(study).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return installed()
    return found if isinstance(found, dict) else installed()


def record_versions(study: str, *, anew: bool = False) -> None:
    """Note the versions of now, unless there is a note already or `anew`."""
    if anew or not _note(study).is_file():
        _note(study).parent.mkdir(parents=True, exist_ok=True)
        _note(study).write_text(json.dumps(installed(), indent=1) + "\n", encoding="utf-8")


def version_changes(study: str) -> list[str]:
    """One line on the packages that have changed, or none."""
    before, now = recorded_versions(study), installed()
    changed = [
        f"{PACKAGES[name]} {before.get(name, 'absent')} -> {now.get(name, 'absent')}"
        for name in sorted(before.keys() | now.keys())
        if before.get(name) != now.get(name)
    ]
    said = "these results were made with other packages"
    advice = "they are kept; `make renew` makes anew what depends on them"
    return [f"{said} ({', '.join(changed)}): {advice}"] if changed else []


def _note(study: str) -> Path:
    return Path(RESULTS, study, FOLDER, "packages.json")
