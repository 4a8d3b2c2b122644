"""The whole state of a training, on disk, so that a killed job goes on where it was."""

import hashlib
import json
import os
import pickle
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from shapebias.writing import written_whole

History = list[dict[str, Any]]


class TrainingState:
    """File with everything that the rest of a training depends on.

    Parameters
    ----------
    path
        Where it lies; beside the network's own files, but none of them, so that it outlives a
        job that fails.
    identity
        What the training follows from: settings, seed, code, inputs. A state of another training
        is not gone on with.
    every
        Epochs between two savings; the last epoch is always saved.

    Notes
    -----
    It holds the weights, the optimiser's momenta, the random states (the loop's own, and torch's,
    from which dropout draws) and the epochs' entries. The schedule is a function of the epoch, and
    needs nothing.
    """

    def __init__(self, path: str | Path, *, identity: dict[str, Any], every: int = 1):
        self.path = Path(path)
        self.every = every
        text = json.dumps(identity, sort_keys=True, default=str)
        self.identity = hashlib.sha256(text.encode()).hexdigest()

    def restore(
        self, model: nn.Module, optimizer: torch.optim.Optimizer, generator: torch.Generator
    ) -> History:
        """Put everything back in place; the entries of the epochs that lie behind, if any."""
        found = self._read()
        if found is None:
            return []
        model.load_state_dict(found["model"])
        optimizer.load_state_dict(found["optimizer"])
        generator.set_state(found["generator"])
        torch.set_rng_state(found["torch"])
        if found["cuda"] and torch.cuda.is_available():
            torch.cuda.set_rng_state_all(found["cuda"])
        print(f"goes on after epoch {len(found['history'])}, from {self.path}", flush=True)
        return found["history"]

    def save(
        self,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        generator: torch.Generator,
        history: History,
    ) -> None:
        """Replace the file by the state of now, in one step."""
        state = {
            "identity": self.identity,
            "model": model.state_dict(),
            "optimizer": optimizer.state_dict(),
            "generator": generator.get_state(),
            "torch": torch.get_rng_state(),
            "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
            "history": history,
        }
        with written_whole(self.path, result=False) as temporary:
            torch.save(state, temporary)
            with temporary.open("rb+") as file:
                os.fsync(file.fileno())

    def discard(self) -> None:
        """Remove the file, and what a job that was killed while saving has left."""
        for path in (self.path, *self.path.parent.glob(f".*.{self.path.name}")):
            path.unlink(missing_ok=True)

    def _read(self) -> dict[str, Any] | None:
        if not self.path.is_file():
            return None
        try:
            # To the processor: random states must be there, and the rest is copied anyway.
            found = torch.load(self.path, map_location="cpu", weights_only=True)
            same = found["identity"] == self.identity
        except (RuntimeError, EOFError, OSError, KeyError, TypeError, pickle.UnpicklingError):
            print(f"{self.path} is damaged; the training begins anew", flush=True)
            return None
        if not same:
            print(f"{self.path} is of another training; this one begins anew", flush=True)
        return found if same else None


def all_finite(model: nn.Module) -> bool:
    """Whether every weight and statistic of a network is a finite number."""
    return all(_finite(value) for value in model.state_dict().values())


def _finite(value: Tensor) -> bool:
    return bool(torch.isfinite(value).all())
