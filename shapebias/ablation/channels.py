"""Channels silenced one at a time: which decisions for shape or texture depend on them."""

from collections.abc import Callable, Iterator, Mapping, Sequence, Sized
from typing import Any

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from shapebias.ablation.conflict_images import ConflictImages
from shapebias.ablation.scores import FlipCounts, score_frames
from shapebias.ablation.stable_decisions import StableDecisions, shareable
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
    """Images that lose their shape or texture class when one channel is zero everywhere.

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
        Channels to silence by layer; None for all. Neighbours that share a batch with them are
        run as well, so that results do not depend on the choice.
    batch
        Number of images run through (the rest of) the network at once.
    progress
        Called with the number of images that were finished with all channels.

    Returns
    -------
    scores
        One row a channel: layer, channel; n_shape and n_texture, images that the intact network
        gives their shape or texture class; shape_score and texture_score, how many of those get
        another class without the channel; mean_shape_change and mean_texture_change, by how much
        the probability of that class changes, mean over those images, NaN where there are none.
    flips
        One row an image that gets another class: layer, channel, image_id, the classes before and
        after, and the probability of either with the network intact and with the channel silent.

    Raises
    ------
    ShapebiasError
        If the arguments are not of the same number of images.
    UnknownName
        If the network can decide for none of the images' classes.

    Notes
    -----
    A channel that is zero on an image already changes nothing there: exactly 0. Classes, and so
    the scores, are those of the network on one image at a time. Probabilities are in float32,
    rounded to five decimals: with another `batch` the last one may differ by one.
    """
    _check_lengths(images, image_ids, shape_labels, texture_labels)
    chosen, batch = chosen_channels(model, channels), shareable(model, batch)
    units = [(layer, channel) for layer, numbers in chosen.items() for channel in numbers]
    with eval_without_gradients(model):
        judge = StableDecisions(model, entry_level)
        conflict = decide_unablated(judge, images, image_ids, shape_labels, texture_labels, batch)
        tally = FlipCounts(conflict, len(units))
        if progress is not None:
            progress(len(images) - len(conflict.counted))
        for part in torch.from_numpy(conflict.counted).split(batch):
            for unit, place, *found in _silenced_one_by_one(
                model, judge, images[part], chosen, batch
            ):
                tally.add(unit, part.numpy()[place], *found)
            if progress is not None:
                progress(len(part))
    layers, numbers = zip(*units, strict=True) if units else ((), ())
    named = {"layer": np.array(layers, object), "channel": np.array(numbers, np.int64)}
    return score_frames(named, tally)


def decide_unablated(
    judge: StableDecisions,
    images: Float[Tensor, "image 3 row column"],
    image_ids: Sequence[str],
    shapes: Sequence[str],
    textures: Sequence[str],
    batch: int,
) -> ConflictImages:
    """What the intact network makes of cue-conflict images."""
    decisions, chances = judge.intact(images, batch)
    return ConflictImages(
        image_ids, shapes, textures, judge.classes, decisions.numpy(), chances.numpy()
    )


def _silenced_one_by_one(
    model: Classifier,
    judge: StableDecisions,
    images: Float[Tensor, "image 3 row column"],
    channels: Mapping[str, Sequence[int]],
    batch: int,
) -> Iterator[tuple[np.ndarray, ...]]:
    """Unit, image, decision and probabilities of pairs, units numbered through all layers."""
    remainders, first = Suffixes(model) if model.is_split else None, 0
    images = images.to(model.mean.device, torch.float32)
    for layer, activation in model.activations(images):
        by_channel = model.layout(layer).channels_first(activation)
        chosen = torch.tensor(list(channels.get(layer, ())), dtype=torch.long)
        if not len(chosen):
            continue
        place = torch.full((by_channel.shape[1],), -1).index_copy(
            0, chosen, first + torch.arange(len(chosen))
        )
        after = (
            FullForward(model, layer, images)
            if remainders is None
            else remainders.after(layer, activation)
        )
        for image, channel in pairs_alive(by_channel, chosen, batch):

            def alone(run, layer=layer, image=image, channel=channel):
                with model.ablated(layer, channel[run : run + 1]):
                    return model(images[image[run : run + 1]])

            decided, chances = judge.judge(after.scores(image, channel), alone)
            own = place[channel] >= 0
            found = (place[channel], image, decided, chances)
            yield tuple(one[own].numpy() for one in found)
        first += len(chosen)
        if first == sum(map(len, channels.values())):
            break


def pairs_alive(
    activation: Float[Tensor, "image channel *place"],
    chosen: Int64[Tensor, " chosen"],
    batch: int,
) -> Iterator[tuple[Int64[Tensor, " run"], Int64[Tensor, " run"]]]:
    """Images and channels, in pairs, where a channel is not zero already.

    Batches are those of all the layer's channels, and come whole where a chosen one is in them:
    the rounding of float32 depends on what shares a batch, and must not tell how channels were
    shared out among jobs.
    """
    alive = (activation != 0).flatten(2).any(dim=2).cpu()
    for part in alive.T.nonzero().split(batch):
        if torch.isin(part[:, 0], chosen).any():
            yield part[:, 1], part[:, 0]


def _check_lengths(*columns: Sized) -> None:
    lengths = [len(column) for column in columns]
    if len(set(lengths)) > 1:
        raise ShapebiasError(f"images, ids, shapes and textures differ in number: {lengths}")


def ablate_rows(
    model: Classifier, rows: Sequence[Mapping[str, Any]], **settings: Any
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """`ablate` for rows of an image set: dicts with image_id, pixels, shape and texture.

    The pixels are uint8 of shape (row, column, 3).
    """
    columns = ([row[name] for row in rows] for name in ("image_id", "shape", "texture"))
    return ablate(model, pixels_of(rows), *columns, **settings)
