"""Each job its own graphics cards: jobs of one machine share its cards out among themselves."""

import fcntl
import os
import tempfile
import time
from pathlib import Path
from typing import IO

import torch

# What tells the processes that a job starts that its cards are theirs.
CLAIMED = "SHAPEBIAS_CARDS"
# Engines that give each job its own cards, which all may then be number 0; torchrun, each process.
ENGINES = ("SLURM_JOB_ID", "PBS_JOBID", "LSB_JOBID", "JOB_ID", "KUBERNETES_SERVICE_HOST")


ENGINES += ("TORCHELASTIC_RUN_ID", CLAIMED)


VISIBLE = "CUDA_VISIBLE_DEVICES"
POLL = 0.5


# Locked files by card. The system unlocks a file when its process ends, however it ends.
_held: dict[str, IO[str]] = {}


def claim(number: int = 1, folder: str | Path | None = None) -> list[str]:
    """Take cards that no other job has, wait for them if need be, and see no others.

    Parameters
    ----------
    number
        How many, at most those that there are. What a process has taken stays as it is.
    folder
        Where jobs tell each other what they have, as locked files; the system's folder for
        temporary files where None.

    Returns
    -------
    The cards' names as ``CUDA_VISIBLE_DEVICES`` has them, this process's until it ends; none where
    there is no card, or an engine has already given the job its own.
    """
    if _held or any(engine in os.environ for engine in ENGINES) or not (cards := visible()):
        return list(_held)
    _held.update(_taken(cards, number, Path(folder or tempfile.gettempdir())))
    # Read when the first tensor goes to a card, which is later.
    os.environ[VISIBLE] = os.environ[CLAIMED] = ",".join(_held)
    if torch.cuda.device_count() > number:
        # Unless counting the cards had them read it already.
        torch.cuda.set_device(cards.index(next(iter(_held))))
    print(f"graphics card {', '.join(_held)}", flush=True)
    return list(_held)


def visible() -> list[str]:
    """Names of the cards that this process may use."""
    number = torch.cuda.device_count()
    if named := os.environ.get(VISIBLE):
        return named.split(",")[:number]
    return [str(card) for card in range(number)]


def _taken(cards: list[str], number: int, folder: Path) -> dict[str, IO[str]]:
    """Locked files of so many cards.

    One job at a time takes cards, and keeps those that it has while it waits for more: two that
    have taken half of what they need would wait for each other, and one that needs several would
    wait for ever behind those that need one.
    """
    told = False
    found: dict[str, IO[str]] = {}
    gate: IO[str] | None = None
    while True:
        gate = gate or _locked(folder, "queue")
        for card in cards:
            if gate and len(found) < number and card not in found:
                found |= {card: lock} if (lock := _locked(folder, card)) else {}
        if len(found) == number:
            gate.close()
            return found
        if not told:
            wanted = "one" if number == 1 else str(number)
            print(f"waiting for {wanted} of {len(cards)} graphics cards", flush=True)
            told = True
        time.sleep(POLL)


def _locked(folder: Path, name: str) -> IO[str] | None:
    """File that this process alone has locked, or none where another has."""
    path = folder / f"shapebias-{os.getuid()}-gpu-{name.replace('/', '_')}"
    file = path.open("a")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        return None
    return file


def device() -> torch.device:
    """A graphics card that is this process's alone where there is one, else the processor.

    The card computes float32 in all its bits: in TF32, torch's own choice for convolutions, scores
    differ from batch to batch by more than `ablation.stable_decisions` takes for rounding.
    """
    claim()
    if not torch.cuda.is_available():
        return torch.device("cpu")
    torch.backends.cudnn.allow_tf32 = False
    return torch.device("cuda")
