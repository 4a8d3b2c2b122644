"""What a folder outside the checkout holds, as a digest that changes with its content."""

import hashlib
from functools import cache
from pathlib import Path

# Beyond this many bytes contents are not read: planning must stay quick.
CONTENT_LIMIT = 512 * 2**20


@cache
def listing(folder: str | None) -> str | None:
    """Digest over the names and sizes of a folder's files, and their content if not too large.

    Parameters
    ----------
    folder
        Folder or file; None gives None, and one that is not there gives "absent": the job that
        reads it says so.
    """
    if folder is None:
        return None
    root = Path(folder)
    if not root.exists():
        return "absent"
    files = [root] if root.is_file() else sorted(p for p in root.rglob("*") if p.is_file())
    sizes = [path.stat().st_size for path in files]
    read = sum(sizes) <= CONTENT_LIMIT
    digest = hashlib.sha256()
    for path, size in zip(files, sizes, strict=True):
        digest.update(f"{path.relative_to(root)}\x1f{size}\x1e".encode(errors="surrogateescape"))
        if read:
            digest.update(path.read_bytes())
    return digest.hexdigest()
