"""The tables `accuracy` and `shape_bias` from the predictions of several networks."""

from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from shapebias.behaviour import accuracy, entry_decisions, shape_bias
from shapebias.errors import ShapebiasError

Scored = Iterable[tuple[tuple[str, str], pd.DataFrame]]


def accuracy_table(
    scored: Scored, selections: Mapping[str, set[str]], pairs: Mapping[str, Mapping[str, str]]
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
    """
    rows: list[dict[str, Any]] = []
    for (model, image_set), predictions in scored:
        chosen = {"all": None} | {
            name: selections[name] for name, pair in pairs.items() if model in pair.values()
        }
        rows += [
            {"model": model, "image_set": image_set, "selection": name}
            | accuracy(predictions, selection)
            for name, selection in chosen.items()
        ]
    return pd.DataFrame(rows)


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
