"""Count detectors, channels whose mask matches a concept, by category."""

from collections.abc import Iterable

import pandas as pd

from shapebias.stimuli.concept_categories import category_rank

# IoU from which network dissection calls a channel a detector.
DETECTOR_IOU = 0.04
IOU_CUTS = (0.0, 0.01, DETECTOR_IOU)


def detectors(dissection: pd.DataFrame, categories: Iterable[str]) -> pd.DataFrame:
    """Count the channels of each category by layer and cut; each channel counts once, by its label.

    Parameters
    ----------
    dissection
        The labels from `shapebias.dissection.dissect.dissect`, of one network.
    categories
        Categories that get rows, also those without channels.

    Returns
    -------
    Frame with layer (and "all" for the network), category, iou_cut, n_channels and n_concepts
    (distinct concepts among the labels of those channels). A channel counts if its IoU is above 0
    and at least the cut.

    Examples
    --------
    >>> labels = pd.DataFrame(
    ...     [("conv1", 0, "red", "color", 0.5), ("conv1", 1, "blue", "color", 0.02)],
    ...     columns=["layer", "channel", "concept", "category", "iou"],
    ... )
    >>> counts = detectors(labels, ["color"])
    >>> counts[counts["layer"] == "all"][["iou_cut", "n_channels"]].values.tolist()
    [[0.0, 2.0], [0.01, 2.0], [0.04, 1.0]]
    """
    labelled = dissection[dissection["iou"] > 0]
    rows = []
    for layer in [*dissection["layer"].unique(), "all"]:
        of_layer = labelled if layer == "all" else labelled[labelled["layer"] == layer]
        for category in sorted(categories, key=category_rank):
            of_category = of_layer[of_layer["category"] == category]
            for cut in IOU_CUTS:
                counted = of_category[of_category["iou"] >= cut]
                rows.append((layer, category, cut, len(counted), counted["concept"].nunique()))
    return pd.DataFrame(rows, columns=["layer", "category", "iou_cut", "n_channels", "n_concepts"])


def detectors_by_vote(
    overlaps: pd.DataFrame, concepts: Iterable[tuple[int, str, str]], categories: Iterable[str]
) -> pd.DataFrame:
    """Count the channels of each category with one concept per category and channel.

    In each category a channel counts for its best concept there, if the IoU reaches the cut. This
    is the count that the authors of network dissection publish; it is higher than that by label.

    Parameters
    ----------
    overlaps
        The overlaps from `shapebias.dissection.dissect.dissect`, of one network; rows with an IoU
        of 0 may be left out.
    concepts
        Number, name and category of the dissected concepts.
    categories
        Categories that get rows.

    Returns
    -------
    Frame as from `detectors`.
    """
    category_of = {name: category for _, name, category in concepts}
    ranked = overlaps.assign(category=overlaps["concept"].map(category_of)).sort_values(
        "iou", ascending=False, kind="stable"
    )
    best = ranked.drop_duplicates(["layer", "channel", "category"]).sort_index()
    return detectors(best, categories)


def detectors_of_controls(controls: pd.DataFrame) -> pd.DataFrame:
    """Count the channels of each category in networks with randomised weights, by their label.

    Parameters
    ----------
    controls
        Table `dissection_controls`.

    Returns
    -------
    Frame as from `detectors`, with the columns model and control.
    """
    frames = [
        detectors(labels, labels["category"].unique()).assign(model=model, control=control)
        for (model, control), labels in controls.groupby(["model", "control"], sort=False)
    ]
    return pd.concat(frames, ignore_index=True)
