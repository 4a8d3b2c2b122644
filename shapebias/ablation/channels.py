"""Ablate channels one at a time: which shape and texture decisions depend on each of them.

Where a channel is set to zero:

- `Classifier.ablated`, in the network itself: groups of channels, networks that cannot be split,
  and decisions that are nearly tied;
- `ablated_values.Ablated`, in feature maps of networks that can be split: the channel's
  contribution is subtracted from the output of the next convolution or linear layer;
- `Layout.ablated_pairs`, in a copy of the layer's output: layers of other layouts, such as
  tokens.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence, Sized
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from shapebias.ablation.ablated_values import AblationPairs
from shapebias.ablation.conflict_images import ConflictImages
from shapebias.ablation.scores import FlipCounts, score_frames
from shapebias.ablation.stable_decisions import StableDecisions, independent_batch
from shapebias.ablation.suffix import FullForward, Suffixes
from shapebias.errors import ShapebiasError
from shapebias.networks.channel_parts import chosen_channels
from shapebias.networks.classifier import Classifier
from shapebias.networks.eval_mode import eval_without_gradients
from shapebias.runtime.batches import pixels_of


def ablate(
    model: Classifier,
    images: Float[Tensor, "image 3 row column"],
    image_ids: Sequence[str],
    shape_labels: Sequence[str],
    texture_labels: Sequence[str],
    *,
    entry_level: Mapping[str, str] | None = None,
    channels: Mapping[str, Sequence[int]] | None = None,
    batch: int,
    progress: Callable[[int], object] | None = None,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Count the images that lose their shape or texture class when one channel is set to zero.

    Parameters
    ----------
    model
        Network to ablate.
    images
        Cue-conflict images, sRGB pixels in [0, 1].
    image_ids, shape_labels, texture_labels
        Of each image. Images whose shape and texture agree are left out.
    entry_level
        Fine class to entry-level class, if the decision is among entry-level classes.
    channels
        Channels to ablate by layer; None for all. All channels that share a batch with them are run
        too, so that the results do not depend on the selection.
    batch
        Images run at once through the network, or through the layers after the ablated one.
    progress
        Called with the number of images that are finished for all channels.

    Returns
    -------
    scores
        One row per channel: layer, channel; n_shape and n_texture, images to which the unablated
        network assigns their shape or texture class; shape_score and texture_score, how many of
        those get another class without the channel; mean_shape_change and mean_texture_change, the
        mean change of the probability of that class over those images, NaN if there are none.
    flips
        One row per image that gets another class: layer, channel, image_id, the classes before and
        after, and the probability of either without and with the ablation.

    Raises
    ------
    ShapebiasError
        If the arguments differ in the number of images.
    UnknownName
        If no image has a class that the network can decide for.

    Notes
    -----
    Ablating a channel that is zero everywhere on an image changes nothing there: exactly 0.
    Classes, and therefore scores, are those of the network on one image at a time. Probabilities
    are computed in float32 and rounded to five decimals: with another `batch` the last decimal may
    differ by one.
    """
    _check_lengths(images, image_ids, shape_labels, texture_labels)
    channels, batch = chosen_channels(model, channels), independent_batch(model, batch)
    units = [(layer, channel) for layer, numbers in channels.items() for channel in numbers]
    with eval_without_gradients(model):
        decisions = StableDecisions(model, entry_level)
        conflict = decide_unablated(
            decisions, images, image_ids, shape_labels, texture_labels, batch
        )
        counts = FlipCounts(conflict, len(units))
        if progress is not None:
            progress(len(images) - len(conflict.counted))
        for indices in torch.from_numpy(conflict.counted).split(batch):
            for unit, image, *decided in _decide_pairs(
                model, decisions, images[indices], channels, batch
            ):
                counts.add(unit, indices.numpy()[image], *decided)
            if progress is not None:
                progress(len(indices))
    layer_names = np.array([layer for layer, _ in units], dtype=object)
    numbers = np.array([channel for _, channel in units], dtype=np.int64)
    return score_frames(pd.DataFrame({"layer": layer_names, "channel": numbers}), counts)


def ablate_rows(
    model: Classifier, rows: Sequence[Mapping[str, Any]], **settings: Any
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Call `ablate` for rows of an image set: dicts with image_id, pixels, shape and texture.

    The pixels are uint8 of shape (row, column, 3); `settings` are the keywords of `ablate`.
    """
    columns = ([row[name] for row in rows] for name in ("image_id", "shape", "texture"))
    return ablate(model, pixels_of(rows), *columns, **settings)


def decide_unablated(
    decisions: StableDecisions,
    images: Float[Tensor, "image 3 row column"],
    image_ids: Sequence[str],
    shape_labels: Sequence[str],
    texture_labels: Sequence[str],
    batch: int,
) -> ConflictImages:
    """Decide on cue-conflict images with the unablated network."""
    indices, probabilities = decisions.decide_images(images, batch)
    return ConflictImages(
        image_ids,
        shape_labels,
        texture_labels,
        decisions.classes,
        indices.numpy(),
        probabilities.numpy(),
    )


def active_pairs(
    activation: Float[Tensor, "image channel *position"],
    channels: Int64[Tensor, " selected"],
    batch: int,
) -> Iterator[AblationPairs]:
    """Batches of (image, channel) pairs in which the channel is not zero everywhere.

    Batches are those of all channels of the layer; a batch is skipped if it has none of the
    selected channels. The rounding of float32 depends on what shares a batch, so results would
    otherwise depend on how the channels are divided among jobs.
    """
    active = (activation != 0).flatten(2).any(dim=2).cpu()
    for pairs in active.T.nonzero().split(batch):
        if torch.isin(pairs[:, 0], channels).any():
            yield AblationPairs(image=pairs[:, 1], channel=pairs[:, 0])


def _decide_pairs(
    model: Classifier,
    decisions: StableDecisions,
    images: Float[Tensor, "image 3 row column"],
    channels: Mapping[str, Sequence[int]],
    batch: int,
) -> Iterator[tuple[np.ndarray, ...]]:
    """Unit, image, decision and probabilities of pairs; units are numbered through all layers."""
    suffixes, first_unit = Suffixes(model) if model.is_split else None, 0
    images = images.to(model.mean.device, torch.float32)
    for layer, activation in model.activations(images):
        selected = torch.tensor(list(channels.get(layer, ())), dtype=torch.long)
        if not len(selected):
            continue
        channels_first = model.layout(layer).channels_first(activation)
        unit_of = torch.full((channels_first.shape[1],), -1)
        unit_of[selected] = first_unit + torch.arange(len(selected))
        suffix = (
            FullForward(model, layer, images)
            if suffixes is None
            else suffixes.suffix(layer, activation)
        )
        for pairs in active_pairs(channels_first, selected, batch):
            rerun_single = partial(_rerun_pair, model, layer, images, pairs)
            decided = decisions.decide(suffix.scores(pairs), rerun_single)
            unit = unit_of[pairs.channel]
            columns = (unit, pairs.image, *decided)
            yield tuple(column[unit >= 0].numpy() for column in columns)
        first_unit += len(selected)
        if first_unit == sum(map(len, channels.values())):
            break


def _rerun_pair(
    model: Classifier,
    layer: str,
    images: Float[Tensor, "image 3 row column"],
    pairs: AblationPairs,
    index: int,
) -> Float[Tensor, "1 class"]:
    """Class scores of one pair, from the whole network with a batch of one."""
    with model.ablated(layer, [int(pairs.channel[index])]):
        return model(images[pairs.image[index : index + 1]])


def _check_lengths(*columns: Sized) -> None:
    lengths = [len(column) for column in columns]
    if len(set(lengths)) > 1:
        raise ShapebiasError(
            f"images, image_ids, shape_labels and texture_labels differ in length: {lengths}"
        )
