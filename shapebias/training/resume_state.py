"""Checkpoint of a training, from which a killed job resumes."""

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
from jaxtyping import UInt8
from torch import Tensor, nn

from shapebias.io.atomic import atomic_write
from shapebias.training.fabric import Fabric


@dataclass
class Position:
    """Position of a training.

    Parameters
    ----------
    history
        Log entries of the finished epochs.
    order
        State of the generator before it drew the order of the current epoch; None between epochs.
    step
        Number of finished steps of the current epoch.
    loss, correct
        Sums over those steps, separate on each device.
    """

    history: list[dict[str, Any]] = field(default_factory=list)
    order: UInt8[Tensor, " byte"] | None = None
    step: int = 0
    loss: float = 0.0
    correct: int = 0


class TrainingState:
    """File with everything that the rest of a training depends on.

    Parameters
    ----------
    path
        The file, beside the network's files. It is not an output of the job, so that it survives a
        job that fails.
    identity
        What determines the training: settings, seed, code, inputs. The state of a training with
        another identity is ignored.
    every
        Number of epochs between two saves; the last epoch is always saved.
    seconds
        After this time without a save, the state is saved within an epoch.

    Attributes
    ----------
    matches
        Whether the file is known to belong to this training: it was resumed from or written.

    Notes
    -----
    The file holds the weights, the optimizer's momenta, the position, and of each device the
    running statistics and the random states (the loop's own generator, and torch's, from which
    dropout draws). The learning rate is a function of the position.
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
        self.matches = False
        self._saved = time.monotonic()

    def restore(
        self,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        generator: torch.Generator,
        fabric: Fabric,
    ) -> Position:
        """Load the state of this training and return its position; the start if there is none."""
        state = self._read()
        if state is None or len(state["devices"]) != fabric.world_size:
            return Position()
        self.matches = True
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        device = state["devices"][fabric.global_rank]
        model.load_state_dict(device["statistics"], strict=False)
        generator.set_state(device["generator"])
        torch.set_rng_state(device["torch"])
        if len(device["cuda"]) and torch.cuda.is_available():
            torch.cuda.set_rng_state(device["cuda"], fabric.device)
        position = Position(**{**state["position"], **device["position"]})
        steps = f" and {position.step} steps" if position.step else ""
        print(f"resumes after epoch {len(position.history)}{steps}, from {self.path}", flush=True)
        return position

    def should_save(self, fabric: Fabric) -> bool:
        """Whether to save within an epoch now, by the clock of the first device."""
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
        """Replace the file by the current state, atomically. Call it on every device."""
        device = {
            "generator": generator.get_state(),
            "torch": torch.get_rng_state(),
            "cuda": torch.cuda.get_rng_state(fabric.device)
            if fabric.device.type == "cuda"
            else torch.empty(0, dtype=torch.uint8),
            "position": {"loss": position.loss, "correct": position.correct},
            # Within an epoch each device has its own running statistics.
            "statistics": dict(model.named_buffers()) if fabric.world_size > 1 else {},
        }
        devices = [device] * fabric.world_size
        if fabric.world_size > 1:
            torch.distributed.all_gather_object(devices, device)
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
        self.matches = True

    def keep_copy(self, fabric: Fabric) -> Path:
        """Copy the file to a name that no training overwrites. Call it on every device.

        The name contains the identity, so that trainings with other settings have other names.
        """
        copy = self.path.with_name(f"before_divergence_{self.identity[:8]}.pt")
        if fabric.is_global_zero:
            with atomic_write(copy, result=False) as temporary:
                shutil.copyfile(self.path, temporary)
        # The first device that fails ends all of them.
        fabric.barrier()
        return copy

    def delete(self) -> None:
        """Delete the file, and temporary files of jobs that were killed while saving."""
        for path in (self.path, *self.path.parent.glob(f".*.{self.path.name}")):
            path.unlink(missing_ok=True)

    def _write(self, state: dict[str, Any]) -> None:
        with atomic_write(self.path, result=False) as temporary:
            # Through memory: torch's own writer hides the system's error if the disk is full.
            torch.save(state, content := io.BytesIO())
            with temporary.open("wb") as file:
                file.write(content.getbuffer())
                file.flush()
                os.fsync(file.fileno())

    def _read(self) -> dict[str, Any] | None:
        if not self.path.is_file():
            return None
        try:
            # To the CPU, where random states must be; weights are copied to their device anyway.
            state = torch.load(self.path, map_location="cpu", weights_only=True)
            matches = state["identity"] == self.identity
        except (RuntimeError, EOFError, OSError, KeyError, TypeError, pickle.UnpicklingError):
            print(f"warning: {self.path} is damaged; the training starts over", flush=True)
            return None
        if not matches:
            print(
                f"warning: {self.path} belongs to a training with other settings or other code; "
                "the training starts over",
                flush=True,
            )
        return state if matches else None


def all_finite(model: nn.Module) -> bool:
    """Whether all weights and statistics of a network are finite."""
    # A sum takes a tenth of the time, and sums of float32 values stay finite in float64.
    sums = (value.sum(dtype=torch.float64) for value in model.state_dict().values())
    return all(bool(torch.isfinite(total)) for total in sums)
