"""Apply, save and load a trained segmentation network."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from shapebias.errors import ShapebiasError
from shapebias.io.atomic import atomic_write
from shapebias.plugins import build
from shapebias.runtime.gpus import device


class Segmenter:
    """Trained segmentation network that maps pixels to class indices.

    Parameters
    ----------
    network
        See `train_segmenter`; it is set to eval mode.
    classes
        Class names in the order of the scores, "background" first.
    source
        Recorded as the source of its masks.
    """

    def __init__(self, network: nn.Module, classes: Sequence[str], *, source: str = "unnamed"):
        self.network = network.eval()
        self.classes = tuple(classes)
        self.source = source

    def __call__(self, pixels: UInt8[np.ndarray, "row column 3"]) -> Int[np.ndarray, "row column"]:
        """Predict the class index of every pixel of one image."""
        image = torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1)))
        return self.predict(image[None])[0].numpy()

    @torch.inference_mode()
    def predict(
        self, images: UInt8[Tensor, "image 3 row column"], *, batch: int = 64
    ) -> Int[Tensor, "image row column"]:
        """Predict the class index of every pixel of many images; the result is on the CPU.

        Parameters
        ----------
        images
            sRGB pixels.
        batch
            Images in one forward pass.
        """
        device = next(self.network.parameters()).device
        parts = [
            self.network(as_input(part, device)).argmax(1).cpu() for part in images.split(batch)
        ]
        return torch.cat(parts)

    def __repr__(self) -> str:
        return f"Segmenter({type(self.network).__name__}, classes={self.classes})"


def as_input(
    images: UInt8[Tensor, "image 3 row column"], device: torch.device
) -> Float[Tensor, "image 3 row column"]:
    """Convert 8-bit pixels to [0, 1] in the channels-last layout, the fastest for convolutions."""
    return (images.to(device).float() / 255).contiguous(memory_format=torch.channels_last)


def save_segmenter(
    network: nn.Module,
    path: str | Path,
    *,
    architecture: dict[str, Any],
    classes: Sequence[str],
    source: str = "trained here",
) -> None:
    """Write a segmenter's weights with the settings that rebuild it.

    Parameters
    ----------
    architecture
        `kind` and settings of its plug-in in `segmenters`.
    classes
        Class names, "background" first.
    source
        Origin of the weights: the name of the published file.
    """
    # A single entry, because safetensors writes several entries in random order.
    description = {"architecture": architecture, "classes": list(classes), "source": source}
    metadata = {"segmenter": json.dumps(description)}
    tensors = {name: tensor.contiguous().cpu() for name, tensor in network.state_dict().items()}
    with atomic_write(path) as temporary:
        temporary.write_bytes(save(tensors, metadata=metadata))


def load_segmenter(path: str | Path) -> Segmenter:
    """Load a segmenter that `save_segmenter` wrote, on the device of the job.

    Raises
    ------
    ShapebiasError
        If the file cannot be read or is not a segmenter.
    """
    try:
        with safe_open(path, framework="pt") as file:
            description = json.loads((file.metadata() or {})["segmenter"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except KeyError:
        raise ShapebiasError(
            f"{path} is not a segmenter of shapebias: write it with save_segmenter"
        ) from None
    except (OSError, SafetensorError) as error:
        raise ShapebiasError(f"cannot read the segmenter {path}: {error}") from error
    network = build("segmenters", classes=description["classes"], **description["architecture"])
    network.load_state_dict(tensors)
    return Segmenter(
        network.to(device()),
        description["classes"],
        source=f"{description['architecture']['kind']}, {description['source']}",
    )
