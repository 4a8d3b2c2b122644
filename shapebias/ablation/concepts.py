"""Ablate all channels that detect a concept or a category together, or keep only those."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from typing import Any

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float, Float64, Int64
from torch import Tensor

from shapebias.ablation.channels import decide_unablated
from shapebias.ablation.random_controls import RandomControl
from shapebias.ablation.scores import FlipCounts
from shapebias.ablation.stable_decisions import StableDecisions
from shapebias.ablation.unit_groups import MODES, AblatedChannels, Group
from shapebias.networks.classifier import Classifier
from shapebias.networks.eval_mode import eval_without_gradients
from shapebias.runtime.batches import Batch, pixels_of

NO_CONTROL = RandomControl(0)


def ablate_groups(
    model: Classifier,
    groups: Sequence[Group],
    conflict_rows: Sequence[Mapping[str, Any]],
    clean: Iterable[Batch],
    *,
    entry_level: Mapping[str, str] | None = None,
    control: RandomControl = NO_CONTROL,
    batch: int,
    progress: Callable[[int], object] | None = None,
) -> pd.DataFrame:
    """Count lost shape and texture decisions, and the accuracy, without groups of channels.

    Parameters
    ----------
    model
        Network to ablate.
    groups
        From `shapebias.ablation.unit_groups.unit_groups`.
    conflict_rows
        Rows of the cue-conflict set, as for `shapebias.ablation.channels.ablate_rows`.
    clean
        Batches of labelled images.
    entry_level
        Fine class to entry-level class, if decisions on cue-conflict images are among entry-level
        classes. Clean images are scored at the entry level if their labels are not classes of the
        network.
    control
        Random channels to ablate too, as many in each layer as the group has there.
    batch
        Cue-conflict images run through the network at once.
    progress
        Called with the number of images that are finished for all groups.

    Returns
    -------
    One row per group and mode: layer, category, concept, mode ("zero": the group's channels are
    zero; "keep_only": all other channels of its layers are zero), n_channels; n_shape, n_texture,
    shape_score, texture_score and the mean changes as in `ablation.channels.ablate`; n_clean,
    accuracy_before and accuracy_after, top-1 on the clean images; and the columns of
    `RandomControl.columns`, for the mode "zero".

    Notes
    -----
    Layers before the first ablated one are run once per batch for all groups. The layers after it
    are run once for each distinct set of channels.
    """
    with eval_without_gradients(model):
        counts = model.channels()
        units = [(group, mode) for group in groups for mode in MODES]
        sets = [group.ablated(mode, counts) for group, mode in units]
        for group in groups:
            sets += control.sets(group, counts)
        distinct_sets, set_index = _distinct(sets)
        flips = _count_flips(model, distinct_sets, conflict_rows, entry_level, batch, progress)
        accuracy = _accuracies(model, distinct_sets, clean, entry_level, progress)
    scores = flips.scores().assign(**accuracy).iloc[set_index].reset_index(drop=True)
    random_scores = control.columns(scores[len(units) :], [mode == "zero" for _, mode in units])
    names = {
        "layer": [group.layer for group, _ in units],
        "category": [group.category for group, _ in units],
        "concept": [group.concept for group, _ in units],
        "mode": [mode for _, mode in units],
        "n_channels": np.array([sum(map(len, g.channels.values())) for g, _ in units], np.int64),
    }
    return pd.concat([pd.DataFrame(names), scores[: len(units)]], axis=1).assign(**random_scores)


def _distinct(sets: Sequence[AblatedChannels]) -> tuple[list[AblatedChannels], list[int]]:
    """Distinct sets of channels, and for each set its index among them."""
    index: dict[tuple, int] = {}
    keys = [tuple((layer, *sorted(s[layer])) for layer in sorted(s)) for s in sets]
    set_index = [index.setdefault(key, len(index)) for key in keys]
    distinct = dict(zip(set_index, sets, strict=True))
    return [distinct[number] for number in range(len(distinct))], set_index


def _count_flips(
    model: Classifier,
    sets: Sequence[AblatedChannels],
    rows: Sequence[Mapping[str, Any]],
    entry_level: Mapping[str, str] | None,
    batch: int,
    progress: Callable[[int], object] | None,
) -> FlipCounts:
    """Count the decisions on cue-conflict images that change with each set of channels."""
    images, decisions = pixels_of(rows), StableDecisions(model, entry_level)
    columns = ([row[name] for row in rows] for name in ("image_id", "shape", "texture"))
    conflict = decide_unablated(decisions, images, *columns, batch)
    counts = FlipCounts(conflict, len(sets))
    for indices in torch.from_numpy(conflict.counted).split(batch):
        for number, decided, probabilities in _decide_ablated(
            model, decisions, sets, images[indices]
        ):
            unit = np.full(len(indices), number)
            counts.add(unit, indices.numpy(), decided.numpy(), probabilities.numpy())
        if progress is not None:
            progress(len(indices))
    if progress is not None:
        progress(len(rows) - len(conflict.counted))
    return counts


def _accuracies(
    model: Classifier,
    sets: Sequence[AblatedChannels],
    clean: Iterable[Batch],
    entry_level: Mapping[str, str] | None,
    progress: Callable[[int], object] | None,
) -> dict[str, Any]:
    """Top-1 accuracy on clean images without ablation, and with each set of channels."""
    correct, correct_before, total = np.zeros(len(sets), np.int64), 0, 0
    by_class, by_entry_level = StableDecisions(model), StableDecisions(model, entry_level)
    for _, images, labels in clean:
        decisions = by_class if set(labels) <= set(model.classes) else by_entry_level
        truth = np.array(labels, dtype=object)
        names = np.array(decisions.classes, dtype=object)
        decided, _ = decisions.decide_images(images, len(images))
        correct_before += int((names[decided] == truth).sum())
        total += len(truth)
        for number, decided, _ in _decide_ablated(model, decisions, sets, images):
            correct[number] += int((names[decided] == truth).sum())
        if progress is not None:
            progress(len(truth))
    return {
        "n_clean": total,
        "accuracy_before": correct_before / total if total else np.nan,
        "accuracy_after": correct / total if total else np.nan,
    }


def _decide_ablated(
    model: Classifier,
    decisions: StableDecisions,
    sets: Sequence[AblatedChannels],
    images: Float[Tensor, "image 3 row column"],
) -> Iterator[tuple[int, Int64[Tensor, " image"], Float64[Tensor, "image decided"]]]:
    """Index of each set of channels, with the decisions and probabilities without them."""
    images = images.to(model.mean.device, torch.float32)
    first_layer = [min(channels, key=model.layers.index) for channels in sets]

    def rerun_single(index: int) -> Float[Tensor, "1 class"]:
        return model(images[index : index + 1])

    for layer, activation in model.activations(images):
        for number in (n for n, name in enumerate(first_layer) if name == layer):
            with ExitStack() as contexts:
                for name, channels in sets[number].items():
                    contexts.enter_context(model.ablated(name, channels))
                scores = model.resume(layer, activation) if model.is_split else model(images)
                decided = decisions.decide(scores, rerun_single)
            yield number, *decided
