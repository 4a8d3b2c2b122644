"""List the files among a study's results that the study no longer names; remove them on request.

``python -m planning.runs.clean_stale [--remove] ARGUMENTS``, with Snakemake's own arguments.
"""

import os
import subprocess
import sys
from pathlib import Path

from shapebias.io.checksums import FOLDER, RESULTS, checksum_path

REMOVE = "--remove"
# Written while a network is trained: the state that an interrupted training resumes from, and
# states that another training may start from.
TRAINING_FILES = ("training_state.pt", "before_divergence_*.pt")


class CleaningError(Exception):
    """An error that prevents cleaning; its message is one line."""


def main(arguments: list[str]) -> int:
    """List or remove stale files; return an exit code."""
    remove = REMOVE in arguments
    folder, named_files = files_of_study([word for word in arguments if word != REMOVE])
    # A lock is held while a Snakemake works in this folder; one that was killed leaves it behind.
    if remove and any(Path(".snakemake/locks").glob("*.lock")):
        raise CleaningError(
            "a Snakemake works in this folder, or was killed: wait until it has ended, or unlock "
            "the folder with `make unlock`"
        )
    stale_files = stale_in(folder, named_files)
    size = sum(path.lstat().st_size for path in stale_files)
    for path in stale_files:
        # One line a file, whatever characters its name has.
        name = str(path) if str(path).isprintable() else repr(str(path))
        print(f"removed {name}" if remove else name)
        if remove:
            path.unlink()
    if remove:
        remove_empty_folders(folder)
    advice = "" if remove or not stale_files else "; `make clean-stale REMOVE=yes` removes them"
    number = f"{len(stale_files)} stale file{'s' * (len(stale_files) != 1)}"
    print(f"{number} in {folder}, {size / 2**20:.1f} MiB{advice}")
    return 0


def files_of_study(arguments: list[str]) -> tuple[Path, set[Path]]:
    """Return the folder of a study's results, and the files in it that its jobs write."""
    # Snakemake's summary lists every job of the study, whether it would run or not.
    command = [sys.executable, "-m", "snakemake", *arguments, "--summary", "--quiet"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    head, *rows = [line.split("\t") for line in result.stdout.splitlines() if "\t" in line] or [[]]
    if result.returncode or not rows:
        lines = [line for line in result.stderr.splitlines() if line.strip()]
        raise CleaningError(f"cannot read the study: {(lines or ['no reason given'])[-1]}")
    columns = [head.index(name) for name in ("output_file", "log-file(s)")]
    names = {name for row in rows for column in columns for name in row[column].split(",")}
    files = {Path(name) for name in names if name}
    folders = {path.parts[:2] for path in files if path.parts[0] == RESULTS}
    if len(folders) != 1:
        raise CleaningError(f"the study has files in {len(folders)} folders of {RESULTS}/, not 1")
    files |= {record for path in files if (record := checksum_path(path))}
    networks = [path.parent for path in files if path.name == "weights.safetensors"]
    files |= {
        path for network in networks for name in TRAINING_FILES for path in network.glob(name)
    }
    return Path(*folders.pop()), files


def stale_in(folder: Path, named_files: set[Path]) -> list[Path]:
    """Return the other files and links below a folder, sorted; links are not followed."""
    records = {folder / FOLDER / name for name in ("run.txt", "packages.json")}
    files = []
    for parent, folders, names in os.walk(folder):
        links = [name for name in folders if Path(parent, name).is_symlink()]
        files += [Path(parent, name) for name in [*names, *links]]
    return sorted(path for path in files if path not in named_files | records)


def remove_empty_folders(folder: Path) -> None:
    """Remove the empty folders below a folder."""
    for path in sorted((path for path in folder.rglob("*") if path.is_dir()), reverse=True):
        if not path.is_symlink() and not any(path.iterdir()):
            path.rmdir()


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except CleaningError as error:
        sys.exit(f"error: {error}")
