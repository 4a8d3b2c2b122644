"""Where to measure: the processor, and a graphics card where there is one."""

import os
import time

import torch

PROCESSOR, CARD = "cpu", "cuda"


def devices(name: str, *, exact: bool) -> list[str]:
    """Devices to measure on, all there are unless `--device` chose one; tells of what is missing.

    Parameters
    ----------
    name
        The benchmark's name.
    exact
        Whether a card computes float32 in all its bits, as jobs that measure do; otherwise its
        convolutions are in TF32, as torch has them.
    """
    torch.backends.cudnn.allow_tf32 = not exact
    found = [PROCESSOR, CARD] if torch.cuda.is_available() else [PROCESSOR]
    if CARD not in found:
        print(f"{name}  no graphics card was found: the bars of one were not measured", flush=True)
    wanted = os.environ.get("SHAPEBIAS_DEVICE")
    return [device for device in found if wanted in (None, device)]


def clock(device: str) -> float:
    """Seconds up to now, of which differences count.

    On the processor those of this process, which other work on the machine hardly touches; with a
    graphics card those of the clock, once the card has done all that it was given.
    """
    if device == PROCESSOR:
        return time.process_time()
    torch.cuda.synchronize()
    return time.perf_counter()


def described(device: str) -> dict[str, str]:
    """The device as it is written beside a result."""
    return {"device": torch.cuda.get_device_name() if device == CARD else PROCESSOR}


def case_on(device: str, case: str) -> str:
    """What a line of a result is called."""
    return case if device == PROCESSOR else f"{case}, GPU"
