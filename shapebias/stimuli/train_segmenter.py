"""Train a segmentation network on the label maps of a concept set."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Int, UInt8
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
    """Train a segmentation network in place, on the device where it is.

    Parameters
    ----------
    network
        Pixels in [0, 1] of shape ``(image, 3, row, column)`` to class scores of shape
        ``(image, class, row, column)``.
    images
        sRGB pixels.
    masks
        Class index of every pixel of every image; 0 is the background.
    epochs, batch
        Passes over the images, and images a step.
    learning_rate
        Highest rate of AdamW; it rises over the first tenth of the steps and then falls to 0
        along a cosine.
    seed
        Start of the order of the images.
    progress
        Called with each epoch's row.

    Returns
    -------
    A row an epoch: `epoch` (from 1), mean `loss` (nats a pixel), `accuracy` (share of pixels)
    and the `learning_rate` at its end.

    Raises
    ------
    ShapebiasError
        If images and masks do not match, or the loss is no longer a number.
    """
    _check(images, masks, batch)
    device = next(network.parameters()).device
    steps = epochs * math.ceil(len(images) / batch)
    optimiser = torch.optim.AdamW(network.parameters(), lr=learning_rate, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: _rate(step, steps))
    # The order is drawn on the CPU, so that it is the same on every device.
    generator = torch.Generator().manual_seed(seed)
    network.train()
    rows = []
    for epoch in range(1, epochs + 1):
        loss_sum, right = 0.0, 0
        for chosen in torch.randperm(len(images), generator=generator).split(batch):
            truth = masks[chosen].to(device).long()
            loss, labels = _step(network, as_input(images[chosen], device), truth, optimiser)
            schedule.step()
            loss_sum += loss * len(chosen)
            right += int((labels == truth).sum())
        if not math.isfinite(loss_sum):
            raise ShapebiasError(
                f"the segmenter's loss is {loss_sum} in epoch {epoch}; lower its learning_rate"
            )
        row = {
            "epoch": epoch,
            "loss": loss_sum / len(images),
            "accuracy": right / masks.numel(),
            "learning_rate": schedule.get_last_lr()[0],
        }
        rows.append(row)
        if progress:
            progress(row)
    network.eval()
    return rows


def mean_iou(
    predicted: Int[Tensor, "*pixels"], truth: Int[Tensor, "*pixels"], *, classes: int
) -> float:
    """Intersection over union, pooled over all pixels, mean over the classes that occur.

    Parameters
    ----------
    predicted, truth
        Class index of every pixel.
    classes
        Number of classes; one that occurs in neither has no part in the mean.
    """
    pairs = truth.flatten().long() * classes + predicted.flatten().long()
    counts = torch.bincount(pairs, minlength=classes**2).view(classes, classes).double()
    both = counts.diagonal()
    either = counts.sum(0) + counts.sum(1) - both
    return float((both / either)[either > 0].mean())


def _step(
    network: nn.Module, images: Tensor, truth: Tensor, optimiser: torch.optim.Optimizer
) -> tuple[float, Tensor]:
    scores = network(images)
    loss = functional.cross_entropy(scores, truth)
    optimiser.zero_grad(set_to_none=True)
    loss.backward()
    optimiser.step()
    return loss.item(), scores.argmax(1)


def _rate(step: int, steps: int) -> float:
    """Share of the highest learning rate at a step."""
    warm = max(1, steps // 10)
    if step < warm:
        return (step + 1) / warm
    return 0.5 + 0.5 * math.cos(math.pi * (step - warm) / max(1, steps - warm))


def _check(images: Tensor, masks: Tensor, batch: int) -> None:
    if len(images) < 2 or images.shape[2:] != masks.shape[1:] or len(images) != len(masks):
        raise ShapebiasError(
            "a segmenter needs two images or more and a mask of the same size for each, not"
            f" images of shape {tuple(images.shape)} and masks of shape {tuple(masks.shape)}"
        )
    if batch < 1:
        raise ShapebiasError(f"a segmenter's batch holds at least 1 image, not {batch}")


def class_masks(
    rows: Sequence[dict[str, Any]], concepts: Sequence[tuple[int, str, str]], category: str
) -> tuple[list[str], np.ndarray]:
    """Label maps of one category with its concepts numbered from 1, background 0.

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
    Class names, "background" first, and an int64 array of shape (image, row, column).

    Raises
    ------
    UnknownName
        If no concept is of the category.
    """
    chosen = [(number, name) for number, name, kind in concepts if kind == category]
    if not chosen:
        raise UnknownName("category", category, {kind for _, _, kind in concepts})
    index = np.zeros(max(number for number, _, _ in concepts) + 1, dtype=np.int64)
    index[[number for number, _ in chosen]] = np.arange(1, len(chosen) + 1)
    layers = np.stack(label_maps(rows, category))
    return ["background", *(name for _, name in chosen)], index[layers].max(axis=0)
