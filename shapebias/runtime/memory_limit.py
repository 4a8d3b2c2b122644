"""Limit a process's memory, so that allocations fail instead of the process being killed.

Work that runs out of memory can continue in smaller batches; a killed process cannot.
"""

import os
import resource
from pathlib import Path

import psutil

# The control groups of this process, and where their limits are.
OWN_CGROUPS, CGROUPS = Path("/proc/self/cgroup"), Path("/sys/fs/cgroup")
GPU_DEVICES = ("/dev/nvidiactl", "/dev/kfd", "/dev/dxg")
# A process may always allocate this much more than it has.
MIN_BYTES = 2**30


def limit_memory(megabytes: int | None = None) -> None:
    """Limit this process to the memory of its machine or of its control group.

    Without effect where there is a GPU, whose driver reserves far more than it uses, and on other
    systems than Linux.

    Parameters
    ----------
    megabytes
        Lower limit of the job; None where it has none.
    """
    if not psutil.LINUX or any(map(os.path.exists, GPU_DEVICES)):
        return
    used = psutil.Process().memory_info()
    limit = available()
    if megabytes is not None:
        # Memory that is reserved but unused, as by loaded libraries, does not count.
        limit = min(limit, megabytes * 10**6 + max(0, used.data - used.rss))
    limit = max(limit, used.data + MIN_BYTES)
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    if hard == resource.RLIM_INFINITY or limit < hard:
        resource.setrlimit(resource.RLIMIT_DATA, (limit, hard))


def available() -> int:
    """Return the bytes of the machine, with swap, or of the process's control group if fewer."""
    limits = [psutil.virtual_memory().total + psutil.swap_memory().total]
    for line in OWN_CGROUPS.read_text(encoding="utf-8").splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers == "":  # Version 2.
            top, name = CGROUPS, "memory.max"
        elif "memory" in controllers.split(","):
            top, name = CGROUPS / "memory", "memory.limit_in_bytes"
        else:
            continue
        group = top / path.lstrip("/")
        for folder in (group, *group.parents):
            file = folder / name
            text = file.read_text(encoding="ascii").strip() if file.is_file() else ""
            limits += [int(text)] if text.isdigit() else []
    return min(limits)
