"""One-line explanations of errors of the system: disk full, permission denied, out of memory."""

import errno
import re

# Texts of the plain RuntimeErrors that torch raises when memory runs out.
OUT_OF_MEMORY = ("can't allocate memory", "not enough memory", "Cannot allocate memory")
DISK_FULL = ("No space left on device", "Disk quota exceeded", "File too large")
# What to do, by the error's number.
ADVICE = {
    errno.ENOSPC: "free some space, or put `results` on another disk (a link will do)",
    errno.EDQUOT: "free some of your quota, or put `results` on another disk (a link will do)",
    errno.EFBIG: "raise the limit on the size of a file (`ulimit -f`)",
    errno.EACCES: "change the permissions so that you may read and write there",
    errno.EPERM: "change the permissions so that you may read and write there",
    errno.EEXIST: "a file is where a folder should be: move it away",
    errno.ENOTDIR: "a file is where a folder should be: move it away",
    errno.EROFS: "make the file system writable, or put `results` elsewhere (a link will do)",
    errno.EMFILE: "raise the limit on open files (`ulimit -n`)",
    errno.EIO: "the disk or its connection is failing: check it first",
}


def explain(error: BaseException) -> str | None:
    """Explain an error of the system in one line, with advice; None for errors of other kinds."""
    if out_of_memory(error):
        return (
            f"not enough memory ({_one_line(error)}): give the job more, run fewer jobs at a time "
            "(CORES=1), or reduce `batch`"
        )
    number = _error_number(error)
    if number is None:
        return None
    text = _one_line(error)
    if isinstance(error, OSError) and error.filename:
        text = f"{error.filename}: {error.strerror or text}"
    return f"{text}; {ADVICE[number]}, then run again: finished results are kept"


def out_of_memory(error: BaseException) -> bool:
    """Return whether an error means that the memory of the machine or of a GPU ran out."""
    # torch.OutOfMemoryError is recognised by its name, so that torch need not be imported.
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    return isinstance(error, RuntimeError) and any(text in str(error) for text in OUT_OF_MEMORY)


def _error_number(error: BaseException) -> int | None:
    """Number of a system error with advice; None for all other errors."""
    if isinstance(error, OSError) and error.errno in ADVICE:
        return error.errno
    # Libraries that write files themselves put the system's message into their own errors.
    match = re.search(r"(?:errno|os error) (\d+)", str(error))
    if match:
        return int(match[1]) if int(match[1]) in ADVICE else None
    return errno.ENOSPC if any(text in str(error) for text in DISK_FULL) else None


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
