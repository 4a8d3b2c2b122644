"""Job context: log file, threads, provenance, one-line errors."""

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
    """Run a job with its log, number of threads, memory limit and provenance.

    Parameters
    ----------
    log
        File for standard output, errors, and at the end the time, peak memory and images per
        second.
    code
        Name and seed of the study, and the fingerprint of the code, for the provenance.
    inputs
        Files that the job reads.
    threads
        Number of threads of torch, if the job uses torch.

    Raises
    ------
    SystemExit
        With status 1 for a `ShapebiasError` or an error of the system, explained in one line on
        standard error and in the log. With status 2 for other errors, which are defects of the
        program; the traceback is in the log.
    """
    start = time.monotonic()
    startup_seconds = time.time() - psutil.Process().create_time()
    with _open_log(Path(log)) as file, redirect_stdout(file):
        try:
            # A job that does not use torch has not imported it.
            if torch := sys.modules.get("torch"):
                torch.set_num_threads(threads)
            _keep_freed_memory()
            limit_memory()
            with provenance(code, inputs):
                yield
        except Exception as error:
            raise SystemExit(_report(error, file)) from None
        finally:
            with suppress(OSError):
                summary = _summary(time.monotonic() - start, startup_seconds)
                print(summary, file=file, flush=True)


@contextmanager
def _open_log(path: Path) -> Iterator[IO[str]]:
    """Open a job's log; a disk that is too full for the log does not stop the job."""
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


def _report(error: Exception, log: IO[str]) -> int:
    """Print an error in one line, and a defect's traceback in the log; return the exit status."""
    message = str(error) if isinstance(error, ShapebiasError) else explain(error)
    with suppress(OSError):
        if message is None:
            traceback.print_exc(file=log)
        else:
            print(f"error: {message}", file=log, flush=True)
    defect = f"{type(error).__name__}: {error} (see {log.name})"
    print(f"error: {defect if message is None else message}", file=sys.stderr)
    return 2 if message is None else 1


def _summary(seconds: float, startup_seconds: float) -> str:
    """Last line of a log: time, memory, and images per second."""
    # ASSUME Linux, where the peak is given in KiB.
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    parts = [f"took {seconds:.1f} s and {startup_seconds:.1f} s to start", f"peak {peak:.0f} MiB"]
    torch = sys.modules.get("torch")
    if torch and torch.cuda.is_initialized():
        parts.append(f"{torch.cuda.max_memory_allocated() / 2**20:.0f} MiB on the GPU")
    if (images := images_seen()) is not None:
        parts.append(f"{images} images, {images / max(seconds, 1e-9):.1f} images/s")
    return ", ".join(parts)


def _keep_freed_memory() -> None:
    """Keep freed memory for the next batch instead of returning it to the system.

    Fetching the pages of large tensors again for every layer takes longer than computing them.
    """
    library = ctypes.CDLL(None)
    # ASSUME glibc's numbers of M_MMAP_MAX and M_TRIM_THRESHOLD; other C libraries have neither.
    if hasattr(library, "gnu_get_libc_version"):
        library.mallopt(-4, 0)
        library.mallopt(-1, 2**31 - 1)
