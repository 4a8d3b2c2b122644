"""Train a segmentation network on the label maps of a concept set."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int, Int64, UInt8
from torch import Tensor, nn
from torch.nn import functional

from shapebias.errors import ShapebiasError, UnknownName
from shapebias.io.label_maps import label_maps
from shapebias.stimuli.segmenter import as_input


def train_segmenter(
    network: nn.Module,
    images: UInt8[Tensor, "image 3 row column"],
    masks: Int[Tensor, "mask mask_row mask_column"],
    *,
    epochs: int,
    batch: int,
    learning_rate: float,
    seed: int,
    progress: Callable[[dict], None] | None = None,
) -> list[dict[str, float | int]]:
    """Train a segmentation network in place, on its device.

    Parameters
    ----------
    network
        Maps images in [0, 1] of shape ``(image, 3, row, column)`` to class scores of shape
        ``(image, class, row, column)``.
    images
        sRGB pixels.
    masks
        Class index of every pixel of every image; 0 is the background.
    epochs, batch
        Passes over the images, and images per step.
    learning_rate
        Highest learning rate of AdamW; it rises linearly over the first tenth of the steps and
        then decreases to 0 along a cosine.
    seed
        Seed of the order of the images.
    progress
        Called with the row of each epoch.

    Returns
    -------
    One row per epoch: `epoch` (from 1), mean `loss` (nats per pixel), `accuracy` (fraction of
    pixels) and the `learning_rate` at its end.

    Raises
    ------
    ShapebiasError
        If images and masks do not match, or the loss is not finite.
    """
    _check_images(images, masks, batch)
    device = next(network.parameters()).device
    steps = epochs * math.ceil(len(images) / batch)
    optimiser = torch.optim.AdamW(network.parameters(), lr=learning_rate, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: _lr_factor(step, steps))
    # The order is drawn on the CPU, so it is the same on every device.
    generator = torch.Generator().manual_seed(seed)
    network.train()
    rows = []
    for epoch in range(1, epochs + 1):
        loss_sum, n_correct = 0.0, 0
        for indices in torch.randperm(len(images), generator=generator).split(batch):
            truth = masks[indices].to(device).long()
            loss, labels = _step(network, as_input(images[indices], device), truth, optimiser)
            schedule.step()
            loss_sum += loss * len(indices)
            n_correct += int((labels == truth).sum())
        if not math.isfinite(loss_sum):
            raise ShapebiasError(
                f"segmenter: the loss is {loss_sum} in epoch {epoch}; lower its learning_rate"
            )
        row = {
            "epoch": epoch,
            "loss": loss_sum / len(images),
            "accuracy": n_correct / masks.numel(),
            "learning_rate": schedule.get_last_lr()[0],
        }
        rows.append(row)
        if progress:
            progress(row)
    network.eval()
    return rows


def _step(
    network: nn.Module,
    images: Float[Tensor, "image 3 row column"],
    truth: Int[Tensor, "image row column"],
    optimiser: torch.optim.Optimizer,
) -> tuple[float, Int[Tensor, "image row column"]]:
    """Take one optimisation step; return the loss and the predicted classes."""
    scores = network(images)
    loss = functional.cross_entropy(scores, truth)
    optimiser.zero_grad(set_to_none=True)
    loss.backward()
    optimiser.step()
    return loss.item(), scores.argmax(1)


def _lr_factor(step: int, steps: int) -> float:
    """Factor of the highest learning rate at a step: linear warm-up, then cosine decay."""
    warm_up = max(1, steps // 10)
    if step < warm_up:
        return (step + 1) / warm_up
    return 0.5 + 0.5 * math.cos(math.pi * (step - warm_up) / max(1, steps - warm_up))


def _check_images(
    images: UInt8[Tensor, "image 3 row column"],
    masks: Int[Tensor, "mask mask_row mask_column"],
    batch: int,
) -> None:
    """Raise `ShapebiasError` unless each image has a mask of its size."""
    if len(images) < 2 or images.shape[2:] != masks.shape[1:] or len(images) != len(masks):
        raise ShapebiasError(
            "segmenter: at least two images are required, and a mask of the same size for each;"
            f" images have shape {tuple(images.shape)} and masks {tuple(masks.shape)}"
        )
    if batch < 1:
        raise ShapebiasError(f"segmenter: batch is {batch}; it must be at least 1")


def class_masks(
    rows: Sequence[dict[str, Any]], concepts: Sequence[tuple[int, str, str]], category: str
) -> tuple[list[str], Int64[np.ndarray, "image row column"]]:
    """Convert the label maps of one category to masks: its concepts from 1, background 0.

    Parameters
    ----------
    rows
        Rows of a concept set.
    concepts
        Number, name and category of every concept.
    category
        Category whose concepts become classes.

    Returns
    -------
    Class names, "background" first; and the class index of every pixel.

    Raises
    ------
    UnknownName
        If no concept belongs to the category.
    """
    names = {number: name for number, name, of in concepts if of == category}
    if not names:
        raise UnknownName("category", category, {of for _, _, of in concepts})
    index = np.zeros(max(number for number, _, _ in concepts) + 1, dtype=np.int64)
    index[list(names)] = np.arange(1, len(names) + 1)
    layers = np.stack(label_maps(rows, category))
    return ["background", *names.values()], index[layers].max(axis=0)
