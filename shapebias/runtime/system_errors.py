"""What the system refuses, in one line: a full disk, a folder without rights, too little memory."""

import errno
import re

# What torch's allocator for the processor says in a plain RuntimeError.
REFUSED = ("can't allocate memory", "not enough memory", "Cannot allocate memory")
FULL = ("No space left on device", "Disk quota exceeded", "File too large")
# What to do, by the system's number of the fault.
ADVICE = {
    errno.ENOSPC: "free some space, or put `results` on another disk (a link will do)",
    errno.EDQUOT: "free some of your quota, or put `results` on another disk (a link will do)",
    errno.EFBIG: "lift the limit on the size of a file (`ulimit -f`)",
    errno.EACCES: "give yourself the right to read and write there",
    errno.EPERM: "give yourself the right to read and write there",
    errno.EEXIST: "a file is where a folder should be: move it away",
    errno.ENOTDIR: "a file is where a folder should be: move it away",
    errno.EROFS: "make the file system writable, or put `results` elsewhere (a link will do)",
    errno.EMFILE: "lift the limit on open files (`ulimit -n`)",
    errno.EIO: "the disk or its connection is failing; look at it first",
}


def explain(error: BaseException) -> str | None:
    """One line on what the system refused and what to do; None for an error of another kind."""
    if out_of_memory(error):
        return (
            f"not enough memory ({_line(error)}): give the job more, run fewer at a time "
            "(CORES=1), or take a smaller `batch`"
        )
    number = _number(error)
    if number not in ADVICE:
        return None
    where = getattr(error, "filename", None)
    said = f"{where}: {error.strerror or _line(error)}" if where else _line(error)
    return f"{said}; {ADVICE[number]}, then run again: what was finished is kept"


def out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory, of the graphics card or not, was refused."""
    # By name: torch, whose class it is, need not be loaded for it.
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    return isinstance(error, RuntimeError) and any(words in str(error) for words in REFUSED)


def _number(error: BaseException) -> int | None:
    if isinstance(error, OSError) and error.errno in ADVICE:
        return error.errno
    # Libraries that write files themselves put the system's words into errors of their own.
    found = re.search(r"(?:errno|os error) (\d+)", str(error))
    if found:
        return int(found[1])
    return errno.ENOSPC if any(words in str(error) for words in FULL) else None


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
