"""Channels that detect one concept, or one category, silenced together or kept alone."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from typing import Any

import numpy as np
import pandas as pd
import torch
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
# Image ids, pixels in [0, 1], and the class name of each image.


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
    """What becomes of shape decisions, texture decisions and accuracy without groups of channels.

    Parameters
    ----------
    model
        Network to ablate.
    groups
        From `shapebias.ablation.unit_groups.unit_groups`.
    conflict_rows
        Rows of the cue-conflict set, as `shapebias.ablation.channels.ablate_rows` takes them.
    clean
        Batches of labelled images.
    entry_level
        Fine class to entry-level class, if decisions on conflict images are among entry-level
        classes. Clean images are scored by it where their labels are no classes of the network.
    control
        Random channels that are silenced as well, as many as each group has in its layers.
    batch
        Number of conflict images run through the network at once.
    progress
        Called with the number of images that were finished with all groups.

    Returns
    -------
    One row a group and mode: layer, category, concept, mode ("zero": its channels are zero;
    "keep_only": all others of the layers in which it has channels are), n_channels; n_shape,
    n_texture, shape_score, texture_score and the mean changes as of `ablation.channels.ablate`;
    n_clean, accuracy_before and accuracy_after, top-1 on the clean images; and, of mode "zero",
    what `Control.columns` says of as many random channels.

    Notes
    -----
    What comes before the first layer of a group is run once for all groups. The rest is what the
    network itself computes, once for each set of channels, of whatever groups it is.
    """
    with eval_without_gradients(model):
        counts = model.channels()
        units = [(group, mode) for group in groups for mode in MODES]
        wanted = [group.silent(mode, counts) for group, mode in units]
        for group in groups:
            wanted += control.sets(group, counts)
        silent, places = _once(wanted)
        judge = StableDecisions(model, entry_level)
        tally = _conflict_tally(model, silent, conflict_rows, judge, batch, progress)
        accuracy = _accuracies(model, silent, clean, entry_level, progress)
    scores = tally.scores().assign(**accuracy).iloc[places].reset_index(drop=True)
    by_chance = control.columns(scores[len(units) :], [mode == "zero" for _, mode in units])
    named = {
        "layer": [group.layer for group, _ in units],
        "category": [group.category for group, _ in units],
        "concept": [group.concept for group, _ in units],
        "mode": [mode for _, mode in units],
        "n_channels": np.array([sum(map(len, g.channels.values())) for g, _ in units], np.int64),
    }
    return pd.concat([pd.DataFrame(named), scores[: len(units)]], axis=1).assign(**by_chance)


def _once(wanted: Sequence[AblatedChannels]) -> tuple[list[AblatedChannels], list[int]]:
    """Each set of channels once, and the place of every one that is wanted among them."""
    found: dict[str, int] = {}
    names = [repr([(layer, sorted(own)) for layer, own in sorted(s.items())]) for s in wanted]
    places = [found.setdefault(name, len(found)) for name in names]
    distinct = dict(zip(places, wanted, strict=True))
    return [distinct[place] for place in range(len(found))], places


def _conflict_tally(
    model: Classifier,
    silent: Sequence[AblatedChannels],
    rows: Sequence[Mapping[str, Any]],
    judge: StableDecisions,
    batch: int,
    progress: Callable[[int], object] | None,
) -> FlipCounts:
    images = pixels_of(rows)
    columns = ([row[name] for row in rows] for name in ("image_id", "shape", "texture"))
    conflict = decide_unablated(judge, images, *columns, batch)
    tally = FlipCounts(conflict, len(silent))
    for part in torch.from_numpy(conflict.counted).split(batch):
        for number, decided, chances in _judged(model, silent, images[part], judge):
            unit = np.full(len(part), number)
            tally.add(unit, part.numpy(), decided.numpy(), chances.numpy())
        if progress is not None:
            progress(len(part))
    if progress is not None:
        progress(len(rows) - len(conflict.counted))
    return tally


def _accuracies(
    model: Classifier,
    silent: Sequence[AblatedChannels],
    clean: Iterable[Batch],
    entry_level: Mapping[str, str] | None,
    progress: Callable[[int], object] | None,
) -> dict[str, Any]:
    right, before, total = np.zeros(len(silent), np.int64), 0, 0
    for _, images, labels in clean:
        judge = StableDecisions(model, None if set(labels) <= set(model.classes) else entry_level)
        truth = np.array(labels, dtype=object)
        names = np.array(judge.classes, dtype=object)
        before += int((names[judge.intact(images, len(images))[0]] == truth).sum())
        total += len(truth)
        for number, decided, _ in _judged(model, silent, images, judge):
            right[number] += int((names[decided] == truth).sum())
        if progress is not None:
            progress(len(truth))
    return {
        "n_clean": total,
        "accuracy_before": before / total if total else np.nan,
        "accuracy_after": right / total if total else np.nan,
    }


def _judged(
    model: Classifier, silent: Sequence[AblatedChannels], images: Tensor, judge: StableDecisions
) -> Iterator[tuple[int, Tensor, Tensor]]:
    """Place in `silent`, decisions and probabilities, for each set of channels that is silent."""
    images = images.to(model.mean.device, torch.float32)
    starts: dict[str, list[int]] = {layer: [] for layer in model.layers}
    for number, channels in enumerate(silent):
        starts[min(channels, key=model.layers.index)].append(number)

    def alone(place: int) -> Tensor:
        return model(images[place : place + 1])

    for layer, activation in model.activations(images):
        for number in starts[layer]:
            with ExitStack() as contexts:
                for where, channels in silent[number].items():
                    contexts.enter_context(model.ablated(where, channels))
                scores = model.resume(layer, activation) if model.is_split else model(images)
                found = judge.judge(scores, alone)
            yield number, *found
