"""Checks of a results folder before a run: that it can be written, and that it was not replaced.

Snakemake keeps what it knows of each result (settings, inputs) in `.snakemake`. Each run writes the
same random key there and to the results, so that a folder of results that was copied or put back
without its `.snakemake` is recognised.
"""

import os
import uuid
from pathlib import Path

from shapebias.io.checksums import FOLDER, RESULTS

READ_ONLY = "{} is not writable: change its permissions, or run a copy of the project"


def unwritable_folder(study: str) -> str:
    """Return a folder that a run of a study would write to and may not; empty without one."""
    top = Path(RESULTS, study)
    existing = next(path for path in (top, *top.absolute().parents) if path.is_dir())
    below = (Path(folder) for folder, *_ in os.walk(top))
    for folder in (Path(".snakemake"), existing, *below):
        if folder.is_dir() and not os.access(folder, os.W_OK | os.X_OK):
            return str(folder)
    return ""


def replaced_results(study: str) -> list[str]:
    """Return a warning if the results of a study are not those of the last run in this folder."""
    key, snakemake_key = _key_files(study)
    if not key.exists() or (
        snakemake_key.exists() and snakemake_key.read_bytes() == key.read_bytes()
    ):
        return []
    return [
        f"{RESULTS}/{study} was copied or put back without its `.snakemake` folder, so that "
        "settings that changed since go unnoticed: copy `.snakemake` too, delete "
        f"{RESULTS}/{study} to compute it again, or delete {key} to use it as it is"
    ]


def record_run(study: str) -> None:
    """Write a new key to the results and to `.snakemake`, unless they do not belong together."""
    if not replaced_results(study):
        key = uuid.uuid4().hex
        for file in _key_files(study):
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(f"{key}\n", encoding="utf-8")


def _key_files(study: str) -> tuple[Path, Path]:
    return Path(RESULTS, study, FOLDER, "run.txt"), Path(".snakemake", f"run-{study}.txt")
