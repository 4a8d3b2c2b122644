"""Work that does not fit into memory, done again in smaller batches."""

import gc
from collections.abc import Callable
from typing import TypeVar

import torch

from shapebias.errors import ShapebiasError
from shapebias.system_faults import out_of_memory

T = TypeVar("T")


def shrinking(work: Callable[[int], T], size: int, *, what: str) -> T:
    """What `work` gives for a batch size, halved until memory suffices.

    The work begins anew with each size, so that nothing of an attempt that failed can enter its
    result.

    Parameters
    ----------
    work
        Called with the number of images to take at a time. Its result must not depend on it.
    size
        Number to begin with, at least 1.
    what
        The work in words, for the log.

    Raises
    ------
    ShapebiasError
        If memory does not suffice for a single image.
    """
    while True:
        try:
            return work(size)
        except (MemoryError, RuntimeError) as error:
            if not out_of_memory(error):
                raise
            said = " ".join(str(error).split())[:200] or type(error).__name__
        # Out of the handler: the error held on to every tensor of the attempt.
        _give_back()
        if size <= 1:
            raise ShapebiasError(
                f"{what}: not enough memory for a single image ({said}); give the job more, "
                "or make the images smaller"
            )
        size //= 2
        print(f"{what}: not enough memory ({said}); again, {size} images at a time", flush=True)


def _give_back() -> None:
    gc.collect()
    # Does nothing where no card was used.
    torch.cuda.empty_cache()
