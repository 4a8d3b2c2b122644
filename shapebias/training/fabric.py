"""Where a training runs and in which precision: Lightning Fabric, one process a device."""

import contextlib
import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from lightning_fabric.plugins.environments import LightningEnvironment, TorchElasticEnvironment
from torch import Tensor, nn

from shapebias.errors import ShapebiasError, UnknownName
from shapebias.runtime.gpus import claim

# Names in a study to Fabric's. Weights stay in float32 in each.
PRECISIONS = {"float32": "32-true", "bfloat16": "bf16-mixed"}


def fabric_of(*, devices: int = 1, precision: str = "float32") -> Fabric:
    """Graphics cards that no other job has, where there are any, else processes on the processor.

    Parameters
    ----------
    devices
        Number of them, in one machine. Processes that `torchrun` has started are taken as they
        are; there must be as many.
    precision
        "float32", or "bfloat16" for what torch computes in it under autocast.

    Raises
    ------
    UnknownName
        If there is no such precision.
    ShapebiasError
        If there are fewer cards, or `torchrun` has started another number of processes.
    """
    if precision not in PRECISIONS:
        raise UnknownName("precision", precision, PRECISIONS)
    started = TorchElasticEnvironment.detect()
    if started and (processes := int(os.environ["WORLD_SIZE"])) != devices:
        raise ShapebiasError(
            f"torchrun started {processes} processes for `devices: {devices}`: give both the same "
            "number"
        )
    cards = torch.cuda.device_count()
    if cards and devices > cards:
        raise ShapebiasError(
            f"`devices: {devices}` is more than this machine's {cards}: lower it, or let the "
            "scheduler give the job as many"
        )
    claim(devices)
    return Fabric(
        accelerator="cuda" if cards else "cpu",
        # One device is in this process, which may have counted more cards before it took one.
        devices=[torch.cuda.current_device()] if cards and devices == 1 else devices,
        strategy=("ddp" if started else "ddp_spawn") if devices > 1 else "auto",
        precision=PRECISIONS[precision],
        # Otherwise Slurm's variables are read as if one task a device had been asked for.
        plugins=[] if started else [LightningEnvironment()],
    )


def run_on_devices(fabric: Fabric, work: Callable[..., Any], *arguments: Any) -> Any:
    """What `work(fabric, *arguments)` returns on the first device, run on all of them.

    On several devices the arguments and the result, which holds tensors and plain values alone,
    travel between processes. What work prints goes where this process's standard output goes.
    """
    if fabric.world_size == 1:
        return work(fabric, *arguments)
    log = getattr(sys.stdout, "name", "")
    target = log if isinstance(log, str) and Path(log).is_file() else None
    if TorchElasticEnvironment.detect():
        fabric.launch()
        return work(fabric, *arguments)
    # Through a file: the pipe between the processes is not read before they have ended.
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder, "result.pt")
        sys.stdout.flush()
        settings = (os.getpid(), result, target, torch.get_num_threads())
        fabric.launch(_noted, work, *settings, *arguments)
        if target:
            # What this process prints next comes after what the others have added.
            sys.stdout.seek(0, os.SEEK_END)
        return torch.load(result, weights_only=True)


def _noted(
    fabric: Fabric,
    work: Callable[..., Any],
    parent: int,
    result: Path,
    log: str | None,
    threads: int,
    *arguments: Any,
) -> None:
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    torch.set_num_threads(max(1, threads // fabric.world_size))
    with contextlib.ExitStack() as stack:
        if log is not None:
            file = stack.enter_context(Path(log).open("a", encoding="utf-8"))
            stack.enter_context(contextlib.redirect_stdout(file))
        found = work(fabric, *arguments)
    if fabric.is_global_zero:
        torch.save(found, result)


def _end_with(parent: int) -> None:
    """End this process at once when the one that started it is gone, which may have been killed."""
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)


def average_gradients(fabric: Fabric, parameters: list[nn.Parameter]) -> None:
    """Replace gradients by their means over the devices, whose shares of a batch are equal."""
    if fabric.world_size > 1:
        gradients = [one.grad for one in parameters if one.grad is not None]
        _average(fabric, gradients)


def average_statistics(fabric: Fabric, model: nn.Module) -> None:
    """Replace batch norms' running statistics by their means over the devices."""
    if fabric.world_size > 1:
        _average(fabric, [one for one in model.buffers() if one.is_floating_point()])


def _average(fabric: Fabric, values: list[Tensor]) -> None:
    # As one message: hundreds of small ones take longer.
    whole = fabric.all_reduce(torch.cat([one.flatten() for one in values]), reduce_op="mean")
    for one, mean in zip(values, whole.split([one.numel() for one in values]), strict=True):
        one.copy_(mean.view_as(one))


def sum_over_devices(fabric: Fabric, *numbers: float) -> list[float]:
    """Sums of numbers over the devices."""
    if fabric.world_size == 1:
        return list(numbers)
    values = torch.tensor(numbers, dtype=torch.float64, device=fabric.device)
    return fabric.all_reduce(values, reduce_op="sum").tolist()
