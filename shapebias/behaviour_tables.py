"""The tables `accuracy` and `shape_bias` from the predictions of several networks."""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

import pandas as pd

from shapebias.behaviour import accuracy, entry_decisions, shape_bias
from shapebias.errors import ShapebiasError

Scored = Iterable[tuple[tuple[str, str], pd.DataFrame]]


def accuracy_table(
    scored: Scored,
    selections: Mapping[str, set[str]],
    pairs: Mapping[str, Mapping[str, str]],
    *,
    entry_level: Mapping[str, str] | None = None,
    entry_level_sets: Collection[str] = (),
) -> pd.DataFrame:
    """Accuracy over all images, and over the images that a network's pair labels correctly.

    Parameters
    ----------
    scored
        Pairs of (model, image_set) and its predictions.
    selections
        Image ids by pair.
    pairs
        Pair to its `standard` and `robust` network.
    entry_level
        Entry-level class of each fine class.
    entry_level_sets
        Image sets that are scored by entry-level class.
    """
    rows: list[dict[str, Any]] = []
    for (model, image_set), predictions in scored:
        chosen = {"all": None} | {
            name: selections[name] for name, pair in pairs.items() if model in pair.values()
        }
        levels = entry_level if image_set in entry_level_sets else None
        _check_level(predictions["label"], image_set, entry_level or {}, levels)
        rows += [
            {"model": model, "image_set": image_set, "selection": name}
            | accuracy(predictions, selection, entry_level=levels)
            for name, selection in chosen.items()
        ]
    return pd.DataFrame(rows)


def _check_level(
    labels: pd.Series,
    image_set: str,
    entry_level: Mapping[str, str],
    levels: Mapping[str, str] | None,
) -> None:
    """Raise `ShapebiasError` where labels are entry-level classes but scored as fine ones."""
    coarse = set(entry_level.values()) - entry_level.keys()
    if levels is None and (found := coarse & set(labels.dropna())):
        raise ShapebiasError(
            f"{image_set}: its labels are entry-level classes ({min(found)}), not the network's "
            "own: name it under entry_level_sets, or give its source label_from: filename_prefix"
        )


def shape_bias_table(scored: Scored, cues: pd.DataFrame) -> pd.DataFrame:
    """Shape bias of each network on each cue-conflict set.

    Parameters
    ----------
    scored
        Pairs of (model, image_set) and its predictions.
    cues
        Columns image_set, image_id, shape and texture of the conflict images.

    Raises
    ------
    ShapebiasError
        If an image has no shape or texture class.
    """
    for name in ("shape", "texture"):
        for image_set, image_id in cues.loc[cues[name].isna(), ["image_set", "image_id"]].values:
            raise ShapebiasError(
                f"{image_set}: image {image_id!r} has no {name}; this is no cue-conflict set"
            )
    frames = []
    for (model, image_set), predictions in scored:
        decided = predictions[["image_id"]].assign(
            decision=entry_decisions(predictions, predictions.attrs["entry_classes"]).to_numpy()
        )
        known = cues[cues["image_set"] == image_set]
        joined = decided.merge(known, on="image_id", how="left", validate="one_to_one")
        frames.append(shape_bias(joined).assign(model=model, image_set=image_set))
    return pd.concat(frames, ignore_index=True)
