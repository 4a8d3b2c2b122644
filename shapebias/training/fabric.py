"""Devices and precision of a training: Lightning Fabric, with one process per device."""

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

# Names in a study to Fabric's names. Weights stay in float32 in both.
PRECISIONS = {"float32": "32-true", "bfloat16": "bf16-mixed"}


def fabric_of(*, devices: int = 1, precision: str = "float32") -> Fabric:
    """Claim free GPUs, or use processes on the CPU of a machine without GPUs.

    Parameters
    ----------
    devices
        Number of devices, all in one machine. Under `torchrun` it must equal the number of
        processes that `torchrun` has started.
    precision
        "float32", or "bfloat16" for torch's autocast.

    Raises
    ------
    UnknownName
        If there is no such precision.
    ShapebiasError
        If there are fewer GPUs, or `torchrun` has started another number of processes.
    """
    if precision not in PRECISIONS:
        raise UnknownName("precision", precision, PRECISIONS)
    torchrun = TorchElasticEnvironment.detect()
    if torchrun and (processes := int(os.environ["WORLD_SIZE"])) != devices:
        raise ShapebiasError(
            f"torchrun started {processes} processes for `devices: {devices}`: give both the same "
            "number"
        )
    gpus = torch.cuda.device_count()
    if gpus and devices > gpus:
        raise ShapebiasError(
            f"`devices: {devices}` is more than this machine's {gpus} GPUs: lower it, or request "
            "more GPUs from the scheduler"
        )
    claim(devices)
    return Fabric(
        accelerator="cuda" if gpus else "cpu",
        # A single device is used by this process, which may have counted other GPUs before.
        devices=[torch.cuda.current_device()] if gpus and devices == 1 else devices,
        strategy=("ddp" if torchrun else "ddp_spawn") if devices > 1 else "auto",
        precision=PRECISIONS[precision],
        # Without it Fabric reads Slurm's variables, which describe one task and not one per device.
        plugins=[] if torchrun else [LightningEnvironment()],
    )


def spawns_processes(fabric: Fabric) -> bool:
    """Whether `run_on_devices` starts child processes, so that results travel between processes."""
    return fabric.world_size > 1 and not TorchElasticEnvironment.detect()


def run_on_devices(fabric: Fabric, work: Callable[..., Any], *arguments: Any) -> Any:
    """Run `work(fabric, *arguments)` on all devices and return the result of the first.

    If child processes run it, arguments and result are pickled, and the result holds only tensors
    and plain values. The children print to this process's standard output.
    """
    if not spawns_processes(fabric):
        if fabric.world_size > 1:
            fabric.launch()
        return work(fabric, *arguments)
    name = getattr(sys.stdout, "name", "")
    log = name if isinstance(name, str) and Path(name).is_file() else None
    # The result travels in a file: Fabric reads its pipe only after the children have ended.
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "result.pt")
        sys.stdout.flush()
        fabric.launch(
            _run_and_save, work, os.getpid(), path, log, torch.get_num_threads(), *arguments
        )
        if log:
            # Continue after the lines that the children have appended.
            sys.stdout.seek(0, os.SEEK_END)
        return torch.load(path, weights_only=True)


def _run_and_save(
    fabric: Fabric,
    work: Callable[..., Any],
    parent: int,
    path: Path,
    log: str | None,
    threads: int,
    *arguments: Any,
) -> None:
    threading.Thread(target=_exit_with_parent, args=(parent,), daemon=True).start()
    torch.set_num_threads(max(1, threads // fabric.world_size))
    with contextlib.ExitStack() as stack:
        if log is not None:
            file = stack.enter_context(Path(log).open("a", encoding="utf-8"))
            stack.enter_context(contextlib.redirect_stdout(file))
        result = work(fabric, *arguments)
    if fabric.is_global_zero:
        torch.save(result, path)


def _exit_with_parent(parent: int) -> None:
    """End this process soon after the process that started it, even if that one was killed."""
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)


def average_gradients(fabric: Fabric, parameters: list[nn.Parameter]) -> None:
    """Replace gradients by their means over the devices, whose shares of a batch are equal."""
    if fabric.world_size > 1:
        _average(fabric, [weight.grad for weight in parameters if weight.grad is not None])


def average_statistics(fabric: Fabric, model: nn.Module) -> None:
    """Replace running statistics of batch norms by their means over the devices."""
    if fabric.world_size > 1:
        _average(fabric, [value for value in model.buffers() if value.is_floating_point()])


def _average(fabric: Fabric, tensors: list[Tensor]) -> None:
    # One large message is faster than hundreds of small ones.
    flat = fabric.all_reduce(torch.cat([tensor.flatten() for tensor in tensors]), reduce_op="mean")
    means = flat.split([tensor.numel() for tensor in tensors])
    for tensor, mean in zip(tensors, means, strict=True):
        tensor.copy_(mean.view_as(tensor))


def sum_over_devices(fabric: Fabric, *numbers: float) -> list[float]:
    """Sum each number over the devices."""
    if fabric.world_size == 1:
        return list(numbers)
    values = torch.tensor(numbers, dtype=torch.float64, device=fabric.device)
    return fabric.all_reduce(values, reduce_op="sum").tolist()
