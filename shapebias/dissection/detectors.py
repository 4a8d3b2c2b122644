"""Detectors: channels whose mask matches a concept, counted by category."""

from collections.abc import Iterable

import pandas as pd

from shapebias.stimuli.concept_categories import category_rank

# The IoU from which network dissection calls a channel a detector.
DETECTOR_IOU = 0.04
IOU_CUTS = (0.0, 0.01, DETECTOR_IOU)


def detectors(dissection: pd.DataFrame, categories: Iterable[str]) -> pd.DataFrame:
    """Channels of each category by layer and cut, each channel counted once: by its label.

    Parameters
    ----------
    dissection
        The labels that `shapebias.dissection.dissect` gives, of one network.
    categories
        Those that get rows, also where no channel has them.

    Returns
    -------
    Frame with layer (and "all" for the network), category, iou_cut, n_channels and n_concepts (the
    different concepts among those channels' labels). A channel counts if its IoU is at least the
    cut; at the cut 0, if it meets its concept at all.
    """
    met = dissection[dissection["iou"] > 0]
    rows = []
    for layer in [*dissection["layer"].unique(), "all"]:
        here = met if layer == "all" else met[met["layer"] == layer]
        for category in sorted(categories, key=category_rank):
            labelled = here[here["category"] == category]
            for cut in IOU_CUTS:
                strong = labelled[labelled["iou"] >= cut]
                rows.append((layer, category, cut, len(strong), strong["concept"].nunique()))
    return pd.DataFrame(rows, columns=["layer", "category", "iou_cut", "n_channels", "n_concepts"])


def detectors_by_vote(
    overlaps: pd.DataFrame, concepts: Iterable[tuple[int, str, str]], categories: Iterable[str]
) -> pd.DataFrame:
    """Channels of each category where a channel has one vote in every category.

    Its vote in a category goes to its best concept there, if the IoU reaches the cut: the count
    that the authors of network dissection publish, higher than the one by label.

    Parameters
    ----------
    overlaps
        The overlaps that `shapebias.dissection.dissect` gives, of one network; those of an IoU of 0
        may be left out.
    concepts
        Those that were dissected.
    categories
        Those that get rows.

    Returns
    -------
    Frame as that of `detectors`.
    """
    kinds = {name: category for _, name, category in concepts}
    ranked = overlaps.assign(category=overlaps["concept"].map(kinds)).sort_values(
        "iou", ascending=False, kind="stable"
    )
    votes = ranked.drop_duplicates(["layer", "channel", "category"]).sort_index()
    return detectors(votes, categories)


def detectors_of_controls(controls: pd.DataFrame) -> pd.DataFrame:
    """Channels of each category, layer and cut that chance gives, by their label.

    Parameters
    ----------
    controls
        Table `dissection_controls`.

    Returns
    -------
    Frame as that of `detectors`, with model and control.
    """
    found = [
        detectors(own, own["category"].unique()).assign(model=model, control=control)
        for (model, control), own in controls.groupby(["model", "control"], sort=False)
    ]
    return pd.concat(found, ignore_index=True)
