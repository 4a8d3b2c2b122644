"""Give each job its own GPUs: the jobs of one machine share its GPUs among themselves."""

import fcntl
import os
import tempfile
import time
from pathlib import Path
from typing import IO

import torch

# Set for the processes that a job starts: their GPUs are assigned already.
CLAIMED = "SHAPEBIAS_CARDS"
# Variables of engines that give each job, or of torchrun, which gives each process, its own GPUs.
ENGINES = (
    "SLURM_JOB_ID",
    "PBS_JOBID",
    "LSB_JOBID",
    "JOB_ID",
    "KUBERNETES_SERVICE_HOST",
    "TORCHELASTIC_RUN_ID",
    CLAIMED,
)
VISIBLE = "CUDA_VISIBLE_DEVICES"
POLL_SECONDS = 0.5

# Lock file of each GPU of this process. The system unlocks them when the process ends.
_locks: dict[str, IO[str]] = {}


def claim(number: int = 1, folder: str | Path | None = None) -> list[str]:
    """Reserve GPUs that no other job uses, and hide all others; wait until enough are free.

    Parameters
    ----------
    number
        How many, at most those of the machine. Without effect after the first call.
    folder
        Folder of the lock files; None for the system's folder for temporary files.

    Returns
    -------
    Names of the GPUs as in ``CUDA_VISIBLE_DEVICES``, reserved until the process ends. Empty where
    there is no GPU, or an engine has given the job its own.
    """
    if _locks or any(engine in os.environ for engine in ENGINES) or not (gpus := visible()):
        return list(_locks)
    _locks.update(_lock_gpus(gpus, number, Path(folder or tempfile.gettempdir())))
    # CUDA reads this when the first tensor is put on a GPU, which is later.
    os.environ[VISIBLE] = os.environ[CLAIMED] = ",".join(_locks)
    if torch.cuda.device_count() > number:
        # Counting the GPUs has made CUDA read the variable already.
        torch.cuda.set_device(gpus.index(next(iter(_locks))))
    print(f"using GPU {', '.join(_locks)}", flush=True)
    return list(_locks)


def visible() -> list[str]:
    """List the names of the GPUs that this process may use."""
    number = torch.cuda.device_count()
    if names := os.environ.get(VISIBLE):
        return names.split(",")[:number]
    return [str(index) for index in range(number)]


def _lock_gpus(gpus: list[str], number: int, folder: Path) -> dict[str, IO[str]]:
    """Lock files of `number` GPUs.

    Only the job that holds the lock "queue" takes GPUs, and it keeps those that it has while it
    waits for more. Otherwise two jobs that each have half of what they need would wait for each
    other, and a job that needs several would never get them while others need one.
    """
    locks: dict[str, IO[str]] = {}
    queue: IO[str] | None = None
    is_waiting = False
    while True:
        queue = queue or _lock(folder, "queue")
        for gpu in gpus:
            if queue and len(locks) < number and gpu not in locks and (lock := _lock(folder, gpu)):
                locks[gpu] = lock
        if queue and len(locks) == number:
            queue.close()
            return locks
        if not is_waiting:
            print(f"waiting for {number} of {len(gpus)} GPUs", flush=True)
            is_waiting = True
        time.sleep(POLL_SECONDS)


def _lock(folder: Path, name: str) -> IO[str] | None:
    """Open and lock a file; None where another process holds the lock."""
    path = folder / f"shapebias-{os.getuid()}-gpu-{name.replace('/', '_')}"
    file = path.open("a")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        return None
    return file


def device() -> torch.device:
    """Return a GPU that only this process uses, or the CPU where there is none.

    TF32, torch's default for convolutions, is turned off: with it, scores differ from batch to
    batch by more than `ablation.stable_decisions` attributes to rounding.
    """
    claim()
    if not torch.cuda.is_available():
        return torch.device("cpu")
    torch.backends.cudnn.allow_tf32 = False
    return torch.device("cuda")
