"""Batch sizes that fit into memory."""

import gc
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import torch

from shapebias.errors import ShapebiasError
from shapebias.runtime.memory_limit import limit_memory
from shapebias.runtime.system_errors import out_of_memory

T = TypeVar("T")


def with_fitting_batch_size(work: Callable[[int], T], size: int, *, what: str) -> T:
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


T = TypeVar("T")
# Bytes that a pixel takes: of ResNet-50, which takes most of those that were tried; and bytes of a
# process without images.
A_PIXEL, ALONE = 900, 10**9


def with_batch_in_memory(
    work: Callable[[int], T],
    most: int,
    *,
    like: Mapping[str, Any],
    memory: int | None,
    what: str,
    held: int = 0,
) -> T:
    """What `work` gives for as many images at a time as usually fit, and fewer where they do not.

    Parameters
    ----------
    work
        Called with the number of images to take at a time. Its result must not depend on it.
    le
        Images at a time where memory is no matter, at least 1.
    like
        Row of an image or concept set, with `pixels` as large as those of all.
    memory
        Megabytes of the job: this process is kept to them unless there is a graphics card, whose
        own memory counts then; None for no such limit.
    what
        The work in words, for the log.
    held
        Bytes that dissection needs for its thresholds, however few images it takes at a time.

    Raises
    ------
    ShapebiasError
        If `held` and a single image do not fit.
    """
    if memory is None:
        return with_fitting_batch_size(work, most, what=what)
    limit_memory(memory)
    room, shape = _bytes(memory), like["pixels"].shape
    least = held + A_PIXEL * shape[0] * shape[1]
    if held and least > room:
        alone = 0 if torch.cuda.is_available() else ALONE
        raise ShapebiasError(
            f"{what}: the thresholds of this job's channels need {_gb(least + alone)} of memory "
            f"and there are {_gb(room + alone)}; give more `parts` or `layer_groups`, or, but "
            "for a graphics card, a larger `memory`"
        )
    fitting = images_within(room - held, shape)
    return with_fitting_batch_size(work, min(most, fitting), what=what)


def images_within(memory: int, shape: tuple[int, ...]) -> int:
    """Images of a shape (row, column, ...) to begin with in so many bytes, at least one."""
    return max(1, memory // (A_PIXEL * shape[0] * shape[1]))


def _bytes(memory: int) -> int:
    if torch.cuda.is_available():
        return torch.cuda.mem_get_info()[0]
    return memory * 10**6 - ALONE


def _gb(number: int) -> str:
    return f"{number / 1e9:.1f} GB"
