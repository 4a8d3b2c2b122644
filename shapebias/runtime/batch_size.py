"""Batch sizes that fit into memory."""

import gc
from collections.abc import Callable
from typing import TypeVar

import torch

from shapebias.errors import ShapebiasError
from shapebias.runtime.memory_limit import limit_memory
from shapebias.runtime.system_errors import out_of_memory

T = TypeVar("T")
# Of the networks that were tried, ResNet-50 needs the most bytes per pixel of a batch, about 900.
# The process itself, without images, needs 1 GB.
BYTES_PER_PIXEL, PROCESS_BYTES = 900, 10**9


def with_fitting_batch_size(
    work: Callable[[int], T],
    size: int,
    *,
    what: str,
    memory: int | None = None,
    shape: tuple[int, int] | None = None,
    fixed_bytes: int = 0,
) -> T:
    """Call `work` with a batch size, which is halved whenever memory runs out.

    Each attempt starts from the beginning, so that nothing of a failed attempt enters the result.

    Parameters
    ----------
    work
        Called with the batch size; its result must not depend on it.
    size
        Largest batch size, at least 1.
    what
        Name of the work, for the log.
    memory
        Megabytes of the job. The process is limited to them, unless there is a GPU, whose free
        memory counts instead; the first batch size is one that usually fits. None for no limit.
    shape
        Rows and columns of an image; needed where `memory` is given.
    fixed_bytes
        Bytes that the work needs whatever the batch size, such as dissection's thresholds.

    Raises
    ------
    ShapebiasError
        If a single image, with the fixed bytes, does not fit.

    Examples
    --------
    >>> def work(size):
    ...     if size > 20:
    ...         raise MemoryError
    ...     return size
    >>> with_fitting_batch_size(work, 64, what="adding")
    adding: not enough memory (MemoryError); trying again with 32 images at a time
    adding: not enough memory (MemoryError); trying again with 16 images at a time
    16
    """
    if memory is not None and shape is not None:
        size = min(size, _usual_size(memory, shape, fixed_bytes, what))
    while True:
        try:
            return work(size)
        except (MemoryError, RuntimeError) as error:
            if not out_of_memory(error):
                raise
            reason = " ".join(str(error).split())[:200] or type(error).__name__
        # Outside of the handler, as the error refers to every tensor of the attempt.
        gc.collect()
        torch.cuda.empty_cache()
        if size <= 1:
            raise ShapebiasError(
                f"{what}: not enough memory for a single image ({reason}); give the job more, "
                "or make the images smaller"
            )
        size //= 2
        print(
            f"{what}: not enough memory ({reason}); trying again with {size} images at a time",
            flush=True,
        )


def _usual_size(memory: int, shape: tuple[int, int], fixed_bytes: int, what: str) -> int:
    """Limit the process to `memory` and return the batch size that usually fits, at least 1."""
    limit_memory(memory)
    on_gpu = torch.cuda.is_available()
    free = torch.cuda.mem_get_info()[0] if on_gpu else memory * 10**6 - PROCESS_BYTES
    image_bytes = BYTES_PER_PIXEL * shape[0] * shape[1]
    if fixed_bytes and fixed_bytes + image_bytes > free:
        process = 0 if on_gpu else PROCESS_BYTES
        raise ShapebiasError(
            f"{what}: {(fixed_bytes + image_bytes + process) / 1e9:.1f} GB of memory are needed "
            f"for a batch of one image and {(free + process) / 1e9:.1f} GB are free; increase "
            "`parts` or `layer_groups` or, without a GPU, `memory`"
        )
    return max(1, (free - fixed_bytes) // image_bytes)
