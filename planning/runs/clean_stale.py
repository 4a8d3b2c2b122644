"""Lists what lies among a study's results and is named by the study no more; removes it if asked.

``python -m planning.runs.clean_stale [--remove] ARGUMENTS``, with Snakemake's own arguments.
"""

import os
import subprocess
import sys
from pathlib import Path

from shapebias.io.checksums import FOLDER, RESULTS, checksum_path

REMOVE = "--remove"
# A training that was cut off goes on from it.
STATE = "training_state.pt"
# Another training may start from them.
KEPT = "before_divergence_*.pt"


class CleaningError(Exception):
    """What prevents cleaning; its message is one line."""


def main(arguments: list[str]) -> int:
    """List or remove; returns an exit code."""
    remove = REMOVE in arguments
    top, named = named_by_study([one for one in arguments if one != REMOVE])
    if remove and locked():
        raise CleaningError(
            "a Snakemake works in this folder, or was killed: wait until it has ended, or unlock "
            "it by `make unlock`"
        )
    stale = stale_in(top, named)
    size = sum(path.lstat().st_size for path in stale)
    for path in stale:
        print(f"{'removed ' if remove else ''}{shown(path)}")
        if remove:
            path.unlink()
    if remove:
        remove_empty(top)
    advice = "" if remove or not stale else "; `make clean-stale REMOVE=yes` removes them"
    number = f"{len(stale)} stale file{'s' * (len(stale) != 1)}"
    print(f"{number} in {top}, {size / 2**20:.1f} MiB{advice}")
    return 0


def named_by_study(arguments: list[str]) -> tuple[Path, set[Path]]:
    """Folder of the study's results, and every file in it that a job of the study writes."""
    # Its own report on every job of the study, whether it would run or not.
    command = [sys.executable, "-m", "snakemake", *arguments, "--summary", "--quiet"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    head, *rows = [line.split("\t") for line in done.stdout.splitlines() if "\t" in line] or [[]]
    if done.returncode or not rows:
        raise CleaningError(f"the study cannot be read: {last_line(done.stderr)}")
    columns = [head.index(name) for name in ("output_file", "log-file(s)")]
    named = {Path(name) for row in rows for c in columns for name in row[c].split(",") if name}
    tops = {path.parts[:2] for path in named if path.parts[0] == RESULTS}
    if len(tops) != 1:
        raise CleaningError(f"the study's files are in {len(tops)} folders of {RESULTS}/, not one")
    named |= {record for path in named if (record := checksum_path(path))}
    networks = [path.parent for path in named if path.name == "weights.safetensors"]
    named |= {folder / STATE for folder in networks}
    named |= {path for folder in networks for path in folder.glob(KEPT)}
    return Path(*tops.pop()), named


def stale_in(top: Path, named: set[Path]) -> list[Path]:
    """Files below a folder that are not named, sorted; links are looked at and not followed."""
    kept = {top / FOLDER / name for name in ("engine.jsonl.gz", "packages.json")}
    found = []
    for folder, folders, names in os.walk(top):
        links = [name for name in folders if Path(folder, name).is_symlink()]
        found += [Path(folder, name) for name in [*names, *links]]
    return sorted(path for path in found if path not in named | kept)


def remove_empty(top: Path) -> None:
    """Remove the folders below one that hold nothing any more."""
    for folder in sorted((one for one in top.rglob("*") if one.is_dir()), reverse=True):
        if not folder.is_symlink() and not any(folder.iterdir()):
            folder.rmdir()


def locked() -> bool:
    """Whether a Snakemake works in this folder, or was killed while it did."""
    return any(Path(".snakemake/locks").glob("*.lock"))


def shown(path: Path) -> str:
    """A path on one line, whatever its name holds."""
    text = str(path)
    return text if text.isprintable() else repr(text)


def last_line(text: str) -> str:
    """Last line of a text that says something."""
    return next((line for line in reversed(text.splitlines()) if line.strip()), "no reason given")


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except CleaningError as error:
        sys.exit(f"error: {error}")
