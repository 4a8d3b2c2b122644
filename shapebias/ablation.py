"""Channels silenced one at a time: which decisions for shape or texture depend on them."""

from collections.abc import Callable, Iterator, Mapping, Sequence, Sized
from typing import Any

import numpy as np
import pandas as pd
import torch
from jaxtyping import Bool, Float, Float64, Int64
from torch import Tensor

from shapebias.categories import category_rank
from shapebias.classifier import Classifier
from shapebias.decisions import decide, entry_weights, nearly_tied
from shapebias.errors import ShapebiasError, UnknownName
from shapebias.evaluation import evaluating
from shapebias.remainders import Remainders, whole_scores
from shapebias.units import chosen_channels

SCORES = ["layer", "channel", "n_shape", "n_texture", "shape_score", "texture_score"]
Weights = Float64[Tensor, "class entry"] | None


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
        Channels to silence by layer; None for all.
    batch
        Number of images run through (the rest of) the network at once.
    progress
        Called with the number of images that were finished with all channels.

    Returns
    -------
    scores
        One row a channel: layer, channel; n_shape and n_texture, images that the intact network
        gives their shape or texture class; shape_score and texture_score, how many of those get
        another class without the channel.
    flips
        One row an image that does: layer, channel, image_id, and the classes before and after.

    Raises
    ------
    ShapebiasError
        If the arguments are not of the same number of images.
    UnknownName
        If the network can decide for none of the images' classes.
    """
    _check_lengths(images, image_ids, shape_labels, texture_labels)
    chosen = chosen_channels(model, channels)
    classes, weights = list(model.classes), None
    if entry_level is not None:
        classes, weights = entry_weights(model.classes, entry_level)
    shape, texture = (_indices(labels, classes) for labels in (shape_labels, texture_labels))
    with evaluating(model):
        before = _intact_decisions(model, images, weights, batch)
        for_shape = (before == shape) & (shape != texture)
        for_texture = (before == texture) & (shape != texture)
        counted = (for_shape | for_texture).nonzero().flatten()
        if progress is not None:
            progress(len(images) - len(counted))
        pieces = list(_changes(model, images, before, counted, weights, chosen, batch, progress))
    kinds = {"shape": for_shape.numpy(), "texture": for_texture.numpy()}
    return _frames(chosen, pieces, before, kinds, image_ids, classes)


def _changes(
    model: Classifier,
    images: Float[Tensor, "image 3 row column"],
    before: Int64[Tensor, " image"],
    counted: Int64[Tensor, " counted"],
    weights: Weights,
    channels: Mapping[str, Sequence[int]],
    batch: int,
    progress: Callable[[int], object] | None,
) -> Iterator[Int64[Tensor, "_ 3"]]:
    """Rows (unit, image, class after) for the decisions that change, units numbered through."""
    remainders = Remainders(model)
    for part in counted.split(batch):
        first = 0
        for layer, activation in model.walk(_on_device(model, images[part])):
            chosen = channels.get(layer, ())
            for place, image, after in silenced_decisions(
                model, layer, activation, chosen, weights, batch, remainders
            ):
                rows = torch.stack([first + place, part[image], after], dim=1)
                yield rows[after != before[part[image]]]
            first += len(chosen)
            if first == sum(map(len, channels.values())):
                break
        if progress is not None:
            progress(len(part))


def silenced_decisions(
    model: Classifier,
    layer: str,
    activation: Float[Tensor, "image channel row column"],
    channels: Sequence[int],
    weights: Weights,
    batch: int,
    remainders: Remainders | None = None,
) -> Iterator[tuple[Int64[Tensor, " run"], Int64[Tensor, " run"], Int64[Tensor, " run"]]]:
    """Decision without each channel on each image where the channel is not zero already.

    Only what follows the layer is run, on `batch` pairs of a channel and an image at a time, and
    of that only what the channel changes. Where rounding could tell, the network decides itself.

    Yields
    ------
    For pairs of a channel and an image: the channel's place in `channels`, the image's in the
    activation, and the decision.
    """
    chosen = torch.tensor(list(channels), dtype=torch.long)
    alive = (activation != 0).flatten(2).any(dim=2).cpu()[:, chosen]
    pairs = alive.T.nonzero()
    after = (remainders or Remainders(model)).after(layer, activation)
    for place, image in (part.unbind(dim=1) for part in pairs.split(batch) if len(part)):
        channel = chosen[place]
        scores = after.scores(image, channel)
        decisions, close = decide(scores, weights).cpu(), nearly_tied(scores, weights).cpu()
        if close.any():
            scores = whole_scores(model, layer, activation, image[close], channel[close])
            decisions[close] = decide(scores, weights).cpu()
        yield place, image, decisions


def _intact_decisions(
    model: Classifier, images: Float[Tensor, "image 3 row column"], weights: Weights, batch: int
) -> Int64[Tensor, " image"]:
    parts = [decide(model(_on_device(model, part)), weights).cpu() for part in images.split(batch)]
    return torch.cat([torch.empty(0).long(), *parts])


def _on_device(model: Classifier, images: Tensor) -> Tensor:
    return images.to(model.mean.device, torch.float32)


def _frames(
    channels: Mapping[str, Sequence[int]],
    pieces: Sequence[Int64[Tensor, "_ 3"]],
    before: Int64[Tensor, " image"],
    kinds: Mapping[str, Bool[np.ndarray, " image"]],
    image_ids: Sequence[str],
    classes: Sequence[str],
) -> tuple[pd.DataFrame, pd.DataFrame]:
    units = [(layer, channel) for layer, chosen in channels.items() for channel in chosen]
    scores = pd.DataFrame(units, columns=["layer", "channel"]).astype({"channel": np.int64})
    changes = torch.cat([torch.empty(0, 3).long(), *pieces]).numpy()
    # By unit, then image: the order must not tell in what batches they were found.
    unit, image, after = changes[np.lexsort((changes[:, 1], changes[:, 0]))].T
    for kind, counted in kinds.items():
        scores[f"n_{kind}"] = int(counted.sum())
        scores[f"{kind}_score"] = np.bincount(unit[counted[image]], minlength=len(units))
    names = np.array(classes, dtype=object)
    flips = scores.loc[unit, ["layer", "channel"]].reset_index(drop=True)
    flips["image_id"] = np.array(image_ids, dtype=object)[image]
    flips["before"], flips["after"] = names[before.numpy()[image]], names[after]
    return scores[SCORES], flips


def _indices(labels: Sequence[str], classes: Sequence[str]) -> Int64[Tensor, " image"]:
    """Index of each label among the classes; -1 for a class that is never decided for."""
    index = {name: number for number, name in enumerate(classes)}
    if len(labels) and not set(labels) & set(index):
        raise UnknownName("class of a cue-conflict image", labels[0], classes)
    return torch.tensor([index.get(label, -1) for label in labels], dtype=torch.long)


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
    pixels = np.stack([row["pixels"] for row in rows]).transpose(0, 3, 1, 2)
    images = torch.from_numpy(np.ascontiguousarray(pixels)).float().div_(255)
    columns = ([row[name] for row in rows] for name in ("image_id", "shape", "texture"))
    return ablate(model, images, *columns, **settings)


def scores_by_category(scores: pd.DataFrame, dissection: pd.DataFrame) -> pd.DataFrame:
    """Mean Shape and Texture scores over the channels that dissection gives each category.

    Parameters
    ----------
    scores
        The first frame of `ablate`, of one network.
    dissection
        The first frame of `shapebias.dissection.dissect`, of the same network.

    Returns
    -------
    Frame with category, n_channels, mean_shape_score and mean_texture_score: first "all" for every
    silenced channel, then the categories that a channel has. A channel that meets no concept (IoU
    0) has no category and counts under "all" only.

    Raises
    ------
    ShapebiasError
        If a silenced channel was not dissected.
    """
    labels = dissection[["layer", "channel", "category", "iou"]]
    joined = scores.merge(labels, on=["layer", "channel"], how="left", validate="one_to_one")
    missing = joined[joined["category"].isna()]
    if len(missing):
        first = missing.iloc[0]
        raise ShapebiasError(f"channel {first['channel']} of {first['layer']} was not dissected")
    groups = {"all": joined} | dict(list(joined[joined["iou"] > 0].groupby("category")))
    rows = [
        (name, len(group), group["shape_score"].mean(), group["texture_score"].mean())
        for name, group in sorted(
            groups.items(), key=lambda item: (item[0] != "all", category_rank(item[0]))
        )
    ]
    columns = ["category", "n_channels", "mean_shape_score", "mean_texture_score"]
    return pd.DataFrame(rows, columns=columns)
