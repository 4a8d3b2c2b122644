"""Total variation of activation maps."""

from collections.abc import Iterable

import pandas as pd
import torch
from torch import Tensor

from shapebias.errors import ShapebiasError
from shapebias.networks.classifier import Classifier
from shapebias.networks.eval_mode import eval_without_gradients
from shapebias.runtime.batches import Batch
from shapebias.smoothness.total_variation import total_variation


def activation_tv(model: Classifier, batches: Iterable[Batch]) -> pd.DataFrame:
    """Mean over images of the total variation of each channel's activation map.

    Parameters
    ----------
    model
        Network to run.
    batches
        Of ``(image_ids, images, labels)``, as for `shapebias.predictions.predict`.

    Returns
    -------
    Frame with layer, channel and mean_tv: maps in float32 at their native resolution, the mean in
    float64.

    Raises
    ------
    ShapebiasError
        If there is no image.
    """
    totals: dict[str, Tensor] = {}
    number = 0
    with eval_without_gradients(model):
        for _, images, _ in batches:
            number += len(images)
            for layer, maps in model.walk(images.to(model.mean.device, torch.float32)):
                tv = total_variation(maps.float()).double().sum(dim=0)
                totals[layer] = totals[layer] + tv if layer in totals else tv
    if number == 0:
        raise ShapebiasError("activation maps were asked for, but there is no image")
    rows = [
        (layer, channel, value / number)
        for layer, total in totals.items()
        for channel, value in enumerate(total.tolist())
    ]
    return pd.DataFrame(rows, columns=["layer", "channel", "mean_tv"])
