"""What a folder outside the checkout holds, as a digest that changes with its content."""

import hashlib
import os
from functools import cache
from pathlib import Path

from rules.digests import DIGESTS

# Planning must stay quick: beyond this many bytes contents are not read, and beyond this many
# files not even their sizes.
MOST_BYTES = 512 * 2**20
MOST_FILES = 50_000


@cache
def listing(folder: str) -> str:
    """Digest over the names of a folder's files, their sizes, and their content if not too large.

    The content of a single file always counts.

    Parameters
    ----------
    folder
        Folder or file. One that is not there gives "absent": the job that reads it says so.
    """
    root = Path(folder)
    if root.is_file():
        return DIGESTS.of(folder)
    if not root.exists():
        return "absent"
    names = sorted(_names_in(folder))
    digest = hashlib.sha256("\0".join(names).encode(errors="surrogateescape"))
    if len(names) > MOST_FILES:
        return digest.hexdigest()
    paths = [root / name for name in names]
    sizes = [path.stat().st_size for path in paths]
    digest.update(str(sizes).encode())
    if sum(sizes) <= MOST_BYTES:
        for path in paths:
            digest.update(path.read_bytes())
    return digest.hexdigest()


def _names_in(folder: str, above: tuple[str, ...] = ()) -> list[str]:
    here = os.path.realpath(folder)
    above = (*(above or map(str, Path(here).parents)), here)
    names = []
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_symlink() and not Path(entry.path).exists():
                continue
            # A link to a folder that it lies in would lead round in circles.
            if entry.is_dir() and os.path.realpath(entry.path) not in above:
                names += [f"{entry.name}/{name}" for name in _names_in(entry.path, above)]
            elif entry.is_file():
                names.append(entry.name)
    return names
