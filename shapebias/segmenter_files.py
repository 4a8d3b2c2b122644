"""Trained and imported segmenters on disk: weights, with their architecture as metadata."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import nn

from shapebias.batching import device
from shapebias.errors import ShapebiasError
from shapebias.plugins import build
from shapebias.segmentation import Segmenter
from shapebias.writing import written_whole


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
        Where the weights come from, in words: the published file's name.
    """
    # One entry: safetensors writes several in an order that is never the same twice.
    description = {"architecture": architecture, "classes": list(classes), "source": source}
    note = {"segmenter": json.dumps(description)}
    tensors = {name: tensor.contiguous().cpu() for name, tensor in network.state_dict().items()}
    with written_whole(path) as temporary:
        temporary.write_bytes(save(tensors, metadata=note))


def load_segmenter(path: str | Path) -> Segmenter:
    """Segmenter that `save_segmenter` wrote, ready to be called on pixels."""
    try:
        with safe_open(path, framework="pt") as file:
            note = json.loads((file.metadata() or {})["segmenter"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except KeyError:
        raise ShapebiasError(f"{path} is not a segmenter that shapebias wrote") from None
    except (OSError, SafetensorError) as error:
        raise ShapebiasError(f"cannot read the segmenter {path}: {error}") from error
    network = build("segmenters", classes=note["classes"], **note["architecture"])
    network.load_state_dict(tensors)
    return Segmenter(
        network.to(device()),
        note["classes"],
        source=f"{note['architecture']['kind']}, {note['source']}",
    )
