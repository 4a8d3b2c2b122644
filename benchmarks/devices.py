"""Devices to measure on: the CPU, and a GPU if there is one."""

import os
import time

import torch

CPU, GPU = "cpu", "cuda"


def devices(name: str, *, exact: bool) -> list[str]:
    """Return the devices to measure on; print a line if there is no GPU.

    These are all devices, unless `--device` chose one.

    Parameters
    ----------
    name
        The benchmark's name.
    exact
        Whether a GPU computes convolutions in full float32, as measuring jobs do, or in TF32, which
        is torch's default.
    """
    torch.backends.cudnn.allow_tf32 = not exact
    available = [CPU, GPU] if torch.cuda.is_available() else [CPU]
    if GPU not in available:
        print(f"{name}  no GPU found: only the CPU is measured", flush=True)
    choice = os.environ.get("SHAPEBIAS_DEVICE")
    return [device for device in available if choice in (None, device)]


def clock(device: str) -> float:
    """Return a time in seconds, of which only differences have a meaning.

    On the CPU it is the CPU time of this process, which hardly depends on other load of the
    machine. On a GPU it is the wall time after all of its work has been completed.
    """
    if device == CPU:
        return time.process_time()
    torch.cuda.synchronize()
    return time.perf_counter()


def description_of(device: str) -> dict[str, str]:
    """Return the device as it is written with a result."""
    return {"device": torch.cuda.get_device_name() if device == GPU else CPU}


def case_on(device: str, case: str) -> str:
    """Return the name of a case on a device."""
    return case if device == CPU else f"{case}, GPU"
