"""What surrounds every job: its log, its threads, its provenance, and errors in one line."""

import ctypes
import resource
import sys
import time
import traceback
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, redirect_stdout, suppress
from pathlib import Path
from typing import IO, Any

import psutil

from shapebias.errors import ShapebiasError
from shapebias.io.provenance import provenance
from shapebias.progress import images_seen
from shapebias.runtime.memory_limit import limit_memory
from shapebias.runtime.system_errors import explain


@contextmanager
def job(
    log: str | Path, code: dict[str, Any], inputs: Iterable[str], threads: int
) -> Iterator[None]:
    """Surroundings of a job.

    Parameters
    ----------
    log
        File that gets standard output, the errors, and at the end time, peak memory and images a
        second.
    code
        Study, seed and fingerprint, for the provenance of what is written.
    inputs
        Files that the job reads.
    threads
        Number that torch may use, where the job uses torch at all.

    Raises
    ------
    SystemExit
        For a `ShapebiasError`, and for what the system refuses, after its one line went to standard
        error and the log. Any other error is a defect of the program; its traceback goes to the
        log.
    """
    start, to_start = time.monotonic(), time.time() - psutil.Process().create_time()
    with _log(Path(log)) as file, redirect_stdout(file):
        try:
            _set_threads(threads)
            _keep_memory()
            limit_memory()
            with provenance(code, inputs):
                yield
        except Exception as error:
            raise SystemExit(_told(error, file)) from None
        finally:
            with suppress(OSError):
                print(_summary(time.monotonic() - start, to_start), file=file, flush=True)


@contextmanager
def _log(path: Path) -> Iterator[IO[str]]:
    """A job's log; where a full disk does not take it, the job is not stopped by that alone."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("w", encoding="utf-8")
    except OSError as error:
        print(f"error: {explain(error) or error}", file=sys.stderr)
        raise SystemExit(1) from None
    try:
        yield file
    finally:
        with suppress(OSError):
            file.close()


def _told(error: Exception, file: IO[str]) -> int:
    """Tell an error in one line, with what is needed to find a defect; gives the exit code."""
    foreseen = str(error) if isinstance(error, ShapebiasError) else explain(error)
    with suppress(OSError):
        if foreseen is None:
            traceback.print_exc(file=file)
        else:
            print(f"error: {foreseen}", file=file, flush=True)
    said = foreseen or f"{type(error).__name__}: {error} (see {file.name})"
    print(f"error: {said}", file=sys.stderr)
    return 2 if foreseen is None else 1


def _summary(seconds: float, to_start: float) -> str:
    """A job's last line: its time, its memory, and how many images it went through."""
    parts = [f"took {seconds:.1f} s and {to_start:.1f} s to start", f"peak {_peak_mib():.0f} MiB"]
    torch = sys.modules.get("torch")
    if torch and torch.cuda.is_initialized():
        parts.append(f"{torch.cuda.max_memory_allocated() / 2**20:.0f} MiB on the graphics card")
    if (images := images_seen()) is not None:
        parts.append(f"{images} images, {images / max(seconds, 1e-9):.1f} images/s")
    return ", ".join(parts)


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
