"""Total variation of activation maps."""

from collections.abc import Iterable

import pandas as pd
import torch
from jaxtyping import Float64
from torch import Tensor

from shapebias.errors import ShapebiasError
from shapebias.networks.classifier import Classifier
from shapebias.networks.eval_mode import eval_without_gradients
from shapebias.runtime.batches import Batch
from shapebias.smoothness.total_variation import total_variation


def activation_tv(model: Classifier, batches: Iterable[Batch]) -> pd.DataFrame:
    """Compute the total variation of each channel's activation map, averaged over images.

    Parameters
    ----------
    batches
        Tuples ``(image_ids, images, labels)``; images are sRGB pixels in [0, 1].

    Returns
    -------
    Frame with layer, channel and mean_tv, of maps in float32 at their native resolution; the mean
    is computed in float64.

    Raises
    ------
    ShapebiasError
        If there is no image.
    """
    totals: dict[str, Float64[Tensor, " channel"]] = {}
    n_images = 0
    with eval_without_gradients(model):
        for _, images, _ in batches:
            n_images += len(images)
            for layer, maps in model.walk(images.to(model.mean.device, torch.float32)):
                tv = total_variation(maps.float()).double().sum(dim=0)
                totals[layer] = totals[layer] + tv if layer in totals else tv
    if n_images == 0:
        raise ShapebiasError("activation TV needs at least one image; the image set is empty")
    rows = [
        (layer, channel, value / n_images)
        for layer, total in totals.items()
        for channel, value in enumerate(total.tolist())
    ]
    return pd.DataFrame(rows, columns=["layer", "channel", "mean_tv"])
