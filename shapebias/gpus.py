"""One job a graphics card: jobs of one machine share its cards out among themselves."""

import fcntl
import os
import tempfile
import time
from functools import cache
from pathlib import Path
from typing import IO

import torch

# Engines that give each job its own cards, which all may then be number 0.
ENGINES = ("SLURM_JOB_ID", "PBS_JOBID", "LSB_JOBID", "JOB_ID", "KUBERNETES_SERVICE_HOST")
VISIBLE = "CUDA_VISIBLE_DEVICES"
POLL = 0.5


@cache
def claim(folder: str | Path | None = None) -> str | None:
    """Take a card that no other job has, wait for one if need be, and see no other.

    Parameters
    ----------
    folder
        Where jobs tell each other what they have, as locked files; the system's folder for
        temporary files where None.

    Returns
    -------
    The card's name as ``CUDA_VISIBLE_DEVICES`` has it, this process's until it ends; None where
    there is no card, or an engine has already given the job its own.
    """
    cards = visible()
    if not cards or any(engine in os.environ for engine in ENGINES):
        return None
    place = Path(folder or tempfile.gettempdir())
    waited = False
    while True:
        for card in cards:
            if lock := _locked(place / f"shapebias-{os.getuid()}-gpu-{card.replace('/', '_')}"):
                _HELD.append(lock)
                # Read when the first tensor goes to a card, which is later.
                os.environ[VISIBLE] = card
                if torch.cuda.device_count() > 1:
                    # Unless counting the cards had them read it already.
                    torch.cuda.set_device(cards.index(card))
                print(f"graphics card {card}", flush=True)
                return card
        if not waited:
            print(f"waiting for one of {len(cards)} graphics cards", flush=True)
            waited = True
        time.sleep(POLL)


def visible() -> list[str]:
    """Names of the cards that this process may use."""
    number = torch.cuda.device_count()
    if named := os.environ.get(VISIBLE):
        return named.split(",")[:number]
    return [str(card) for card in range(number)]


# The system unlocks a file when its process ends, however it ends.
_HELD: list[IO[str]] = []


def _locked(path: Path) -> IO[str] | None:
    file = path.open("a")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        return None
    return file
