"""How often a network is right while it trains."""

from collections.abc import Callable

import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor, nn

from shapebias.networks.eval_mode import eval_mode
from shapebias.training.fabric import Fabric, sum_over_devices
from shapebias.training.image_loaders import InMemoryImages, StreamedImages

Images = UInt8[Tensor, "image 3 row column"]
Samples = Images | InMemoryImages | StreamedImages


def accuracy(
    model: nn.Module,
    images: Samples,
    labels: Int[Tensor, " image"],
    *,
    attack: Callable[..., Tensor] | None = None,
    most: int | None = None,
    batch: int = 256,
    fabric: Fabric | None = None,
) -> float:
    """Share of images that the network, in eval mode, labels right; under attack, if one is given.

    The model's mode is left as it was.

    Parameters
    ----------
    images, labels
        sRGB pixels, 0 to 255, and class indices.
    attack
        Called with the model, images in [0, 1] and labels.
    le
        Where there are more images, so many of them are taken, at equal distances.
    batch
        Images at a time.
    fabric
        Devices that share the work.
    """
    samples, device = as_samples(images), labels.device
    step = max(1, -(-len(samples) // most)) if most else 1
    rank, world = (fabric.global_rank, fabric.world_size) if fabric else (0, 1)
    chosen = torch.arange(rank * step, len(samples), world * step)
    right, groups = 0, chosen.split(batch) if len(chosen) else []
    with eval_mode(model):
        for which, some in zip(groups, samples.batches(groups), strict=True):
            pixels, truth = as_floats(some), labels[which.to(device)]
            if attack is not None:
                pixels = attack(model, pixels, truth)
            with torch.no_grad():
                right += int((model(pixels).argmax(dim=1) == truth).sum())
    counted = [right, len(chosen)]
    right, count = sum_over_devices(fabric, *counted) if fabric else counted
    return right / count


def as_samples(images: Samples) -> InMemoryImages | StreamedImages:
    """Images as a training takes them; a tensor is held as it is."""
    return InMemoryImages(images) if isinstance(images, Tensor) else images


def as_floats(images: Images, *, last: bool = True) -> Float[Tensor, "image 3 row column"]:
    """Pixels in [0, 1], channels last in memory unless `last` is false."""
    layout = torch.channels_last if last else torch.contiguous_format
    return images.float().div_(255).contiguous(memory_format=layout)
