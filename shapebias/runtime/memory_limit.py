"""A limit on a process's memory, so that it is refused what is not there instead of being killed.

Work that is refused memory can go on in smaller batches; a process that the system kills cannot.
"""

import os
import resource
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")
# What the drivers of graphics cards are reached through.
CARDS = ("/dev/nvidiactl", "/dev/kfd", "/dev/dxg")
# What a process has at least, whatever it was promised.
LEAST = 2**30


def limit_memory(megabytes: int | None = None) -> None:
    """Limit this process to the memory of its machine, or of the part that it was given.

    It leaves processes with a graphics card alone: a card's driver reserves far more than it uses.

    Parameters
    ----------
    megabytes
        What it may use of that, where it is to have less.
    """
    most = available()
    if most is None or any(map(os.path.exists, CARDS)):
        return
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    held = _of_process("VmData")
    if megabytes is not None:
        # What is reserved and not used, as by libraries that were loaded, takes no memory.
        most = min(most, megabytes * 10**6 + max(0, held - _of_process("VmRSS")))
    most = max(most, held + LEAST)
    if hard == resource.RLIM_INFINITY or most < hard:
        resource.setrlimit(resource.RLIMIT_DATA, (most, hard))


def available() -> int | None:
    """Bytes of the machine, with its swap, or of the process's control group where that is less."""
    try:
        text = Path("/proc/meminfo").read_text(encoding="ascii")
    except OSError:
        return None
    sizes = dict(line.split(":", 1) for line in text.splitlines())
    machine = sum(int(sizes[name].split()[0]) * 1024 for name in ("MemTotal", "SwapTotal"))
    return min([machine, *_group_limits()])


def _group_limits() -> list[int]:
    """Limits of the control groups that this process is in."""
    found = []
    for line in _groups():
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            top, name = CGROUPS, "memory.max"
        elif "memory" in controllers.split(","):
            top, name = CGROUPS / "memory", "memory.limit_in_bytes"
        else:
            continue
        group = top / path.lstrip("/")
        for folder in (group, *group.parents):
            try:
                limit = (folder / name).read_text(encoding="ascii").strip()
            except OSError:
                continue
            found += [int(limit)] if limit.isdigit() else []
    return found


def _groups() -> list[str]:
    return Path("/proc/self/cgroup").read_text(encoding="utf-8").splitlines()


def _of_process(kind: str) -> int:
    """Bytes of this process: VmData are those of data, as the limit counts them; VmRSS are used."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith(f"{kind}:"):
            return int(line.split()[1]) * 1024
    return 0
