"""Training and use of a network that gives each pixel a class."""

import math
from collections.abc import Callable, Sequence

import numpy as np
import torch
from jaxtyping import Int, UInt8
from torch import Tensor, nn
from torch.nn import functional

from shapebias.errors import ShapebiasError


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


class Segmenter:
    """A trained segmentation network as images see it: pixels to class indices.

    Parameters
    ----------
    network
        See `train_segmenter`; it is put into eval mode.
    classes
        Class names in the order of the scores, "background" first.
    source
        What is recorded as the source of its masks.
    """

    def __init__(self, network: nn.Module, classes: Sequence[str], *, source: str = "unnamed"):
        self.network = network.eval()
        self.classes = tuple(classes)
        self.source = source

    def __call__(self, pixels: UInt8[np.ndarray, "row column 3"]) -> Int[np.ndarray, "row column"]:
        """Class index of every pixel of one image."""
        image = torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1)))
        return self.predict(image[None])[0].numpy()

    @torch.inference_mode()
    def predict(
        self, images: UInt8[Tensor, "image 3 row column"], *, batch: int = 64
    ) -> Int[Tensor, "image row column"]:
        """Class index of every pixel of many images, on the CPU."""
        device = next(self.network.parameters()).device
        parts = [
            self.network(as_input(part, device)).argmax(1).cpu() for part in images.split(batch)
        ]
        return torch.cat(parts)

    def __repr__(self) -> str:
        return f"Segmenter({type(self.network).__name__}, classes={self.classes})"


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


def as_input(images: UInt8[Tensor, "image 3 row column"], device: torch.device) -> Tensor:
    """8-bit pixels as numbers in [0, 1], in the memory layout that convolutions prefer."""
    return (images.to(device).float() / 255).contiguous(memory_format=torch.channels_last)


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
