"""Versions of the packages that a study's results are made with.

They are recorded when a study first runs. If a package has another version later, a warning is
printed and nothing re-runs; `make renew` records the installed versions, and the jobs that import
a package whose version changed run again.
"""

import json
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from shapebias.io.checksums import FOLDER, RESULTS

# Packages that can change a result: import name to distribution.
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


def installed_versions() -> dict[str, str]:
    """Return the installed versions by import name."""
    versions = {}
    for name, distribution in PACKAGES.items():
        try:
            versions[name] = version(distribution)
        except PackageNotFoundError:
            continue
    return versions


def recorded_versions(study: str) -> dict[str, str]:
    """Return the versions that a study's results were made with.

    Without a readable record they are the installed ones.
    """
    try:
        versions = json.loads(_record(study).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return installed_versions()
    return versions if isinstance(versions, dict) else installed_versions()


def record_versions(study: str, *, renew: bool = False) -> None:
    """Record the installed versions; an existing record is replaced only if `renew`."""
    file = _record(study)
    if renew or not file.is_file():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(installed_versions(), indent=1) + "\n", encoding="utf-8")


def version_changes(study: str) -> list[str]:
    """Return a warning that lists the packages whose version changed, if any did."""
    before, now = recorded_versions(study), installed_versions()
    changes = [
        f"{PACKAGES[name]} {before.get(name, 'absent')} -> {now.get(name, 'absent')}"
        for name in sorted(before.keys() | now.keys())
        if before.get(name) != now.get(name)
    ]
    if not changes:
        return []
    return [
        f"the results were made with other package versions ({', '.join(changes)}) and are kept; "
        "`make renew` re-runs the jobs that import these packages"
    ]


def _record(study: str) -> Path:
    return Path(RESULTS, study, FOLDER, "packages.json")
