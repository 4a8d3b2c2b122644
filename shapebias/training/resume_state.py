"""The whole state of a training, on disk, so that a killed job goes on where it was."""

import hashlib
import io
import json
import os
import pickle
import shutil
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from shapebias.io.atomic import atomic_write
from shapebias.training.fabric import Fabric


@dataclass
class Position:
    """How far a training has come.

    Parameters
    ----------
    history
        Entries of the epochs that are done.
    order
        State of the generator before it drew the order of the epoch that is under way; None
        between two epochs.
    step
        Steps of that epoch that are done.
    loss, right
        Sums over them, on each device its own.
    """

    history: list[dict[str, Any]] = field(default_factory=list)
    order: Tensor | None = None
    step: int = 0
    loss: float = 0.0
    right: int = 0


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
    seconds
        After so long without a saving, the state is saved in the midst of an epoch.

    Attributes
    ----------
    own
        Whether the file is known to hold this training, having been gone on with or written.

    Notes
    -----
    It holds the weights, the optimiser's momenta, of each device the running statistics and the
    random states (the loop's own, and torch's, from which dropout draws), and the position. The
    schedule is a function of the position, and needs nothing.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        identity: dict[str, Any],
        every: int = 1,
        seconds: float = 1800.0,
    ):
        self.path = Path(path)
        self.every = every
        self.seconds = seconds
        text = json.dumps(identity, sort_keys=True, default=str)
        self.identity = hashlib.sha256(text.encode()).hexdigest()
        self._saved = time.monotonic()
        self.own = False

    def restore(
        self,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        generator: torch.Generator,
        fabric: Fabric,
    ) -> Position:
        """Put everything back in place; how far the training had come."""
        found = self._read()
        if found is None or len(found["devices"]) != fabric.world_size:
            return Position()
        self.own = True
        model.load_state_dict(found["model"])
        optimizer.load_state_dict(found["optimizer"])
        own = found["devices"][fabric.global_rank]
        model.load_state_dict(own["statistics"], strict=False)
        generator.set_state(own["generator"])
        torch.set_rng_state(own["torch"])
        if len(own["cuda"]) and torch.cuda.is_available():
            torch.cuda.set_rng_state(own["cuda"], fabric.device)
        position = Position(**{**found["position"], **own["position"]})
        print(
            f"goes on after epoch {len(position.history)}"
            + (f" and {position.step} steps" if position.step else "")
            + f", from {self.path}",
            flush=True,
        )
        return position

    def due(self, fabric: Fabric) -> bool:
        """Whether it is time for a saving in the midst of an epoch, by the first device's clock."""
        late = time.monotonic() - self._saved > self.seconds
        return fabric.broadcast(late) if fabric.world_size > 1 else late

    def save(
        self,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        generator: torch.Generator,
        fabric: Fabric,
        position: Position,
    ) -> None:
        """Replace the file by the state of now, in one step; to be called on every device."""
        own = {
            "generator": generator.get_state(),
            "torch": torch.get_rng_state(),
            "cuda": torch.cuda.get_rng_state(fabric.device)
            if fabric.device.type == "cuda"
            else torch.empty(0, dtype=torch.uint8),
            "position": {"loss": position.loss, "right": position.right},
            # Within an epoch those of each device are its own.
            "statistics": dict(model.named_buffers()) if fabric.world_size > 1 else {},
        }
        devices = _gathered(own, fabric)
        if fabric.is_global_zero:
            self._write(
                {
                    "identity": self.identity,
                    "model": model.state_dict(),
                    "optimizer": optimizer.state_dict(),
                    "devices": devices,
                    "position": asdict(position),
                }
            )
        self._saved = time.monotonic()
        self.own = True

    def keep(self, fabric: Fabric) -> Path:
        """Copy the file where no training replaces it; to be called on every device.

        Its name is of the training's settings, so that one with others has another.
        """
        kept = self.path.with_name(f"before_divergence_{self.identity[:8]}.pt")
        if fabric.is_global_zero:
            with atomic_write(kept, result=False) as temporary:
                shutil.copyfile(self.path, temporary)
        # The first device to fail ends all of them.
        fabric.barrier()
        return kept

    def discard(self) -> None:
        """Remove the file, and what a job that was killed while saving has left."""
        for path in (self.path, *self.path.parent.glob(f".*.{self.path.name}")):
            path.unlink(missing_ok=True)

    def _write(self, state: dict[str, Any]) -> None:
        with atomic_write(self.path, result=False) as temporary:
            # By way of memory: torch tells of a full disk in words of its own.
            torch.save(state, content := io.BytesIO())
            with temporary.open("wb") as file:
                file.write(content.getbuffer())
                file.flush()
                os.fsync(file.fileno())

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
    # A sum costs a tenth, and no sum of single precision leaves the range of double.
    return bool(torch.isfinite(value.sum(dtype=torch.float64)))


def _gathered(own: dict[str, Any], fabric: Fabric) -> list[dict[str, Any]]:
    """What each device has, on the first one; on the others an empty list will do."""
    if fabric.world_size == 1:
        return [own]
    found: list[dict[str, Any]] = [{} for _ in range(fabric.world_size)]
    torch.distributed.all_gather_object(found, own)
    return found
