"""What surrounds every job: its log, its threads, its provenance, and errors in one line."""

import ctypes
import resource
import sys
import time
import traceback
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Any

from shapebias.errors import ShapebiasError
from shapebias.provenance import provenance


@contextmanager
def job(
    log: str | Path, code: dict[str, Any], inputs: Iterable[str], threads: int
) -> Iterator[None]:
    """Surroundings of a job.

    Parameters
    ----------
    log
        File that gets standard output, the errors, and at the end time and peak memory.
    code
        Study, seed and fingerprint, for the provenance of what is written.
    inputs
        Files that the job reads.
    threads
        Number that torch may use, where the job uses torch at all.

    Raises
    ------
    SystemExit
        For a `ShapebiasError`, after its one line went to standard error and the log. Any other
        error is a defect of the program; its traceback goes to the log.
    """
    path = Path(log)
    path.parent.mkdir(parents=True, exist_ok=True)
    start = time.monotonic()
    with path.open("w", encoding="utf-8") as file, redirect_stdout(file):
        try:
            _set_threads(threads)
            _keep_memory()
            with provenance(code, inputs):
                yield
        except ShapebiasError as error:
            print(f"error: {error}", file=file)
            print(f"error: {error}", file=sys.stderr)
            raise SystemExit(1) from None
        except Exception as error:
            traceback.print_exc(file=file)
            print(f"error: {type(error).__name__}: {error} (see {path})", file=sys.stderr)
            raise SystemExit(2) from None
        finally:
            print(f"took {time.monotonic() - start:.1f} s, peak {_peak_mib():.0f} MiB", file=file)


def _set_threads(threads: int) -> None:
    torch = sys.modules.get("torch")
    if torch:
        torch.set_num_threads(threads)


def _keep_memory() -> None:
    """Have freed memory kept for the next batch instead of being given back to the system.

    Fetching the pages of large tensors anew for every layer takes longer than computing them.
    """
    library = ctypes.CDLL(None)
    # ASSUME the numbers of M_MMAP_MAX and M_TRIM_THRESHOLD of glibc; other C libraries have none.
    if hasattr(library, "gnu_get_libc_version"):
        library.mallopt(-4, 0)
        library.mallopt(-1, 2**31 - 1)


def _peak_mib() -> float:
    # ASSUME Linux, where the peak is given in KiB.
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
