"""Group channels by the concept they detect, or by the category of the concept."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from shapebias.stimuli.concept_categories import category_rank

MODES = ("zero", "keep_only")
AblatedChannels = Mapping[str, Sequence[int]]


@dataclass(frozen=True)
class Group:
    """Channels that detect a concept, or any concept of a category.

    Attributes
    ----------
    layer
        Layer of the channels, or "all".
    category, concept
        What the channels detect; the concept "all" stands for any of the category.
    channels
        Layer to the numbers of its channels.
    """

    layer: str
    category: str
    concept: str
    channels: AblatedChannels

    def ablated(self, mode: str, counts: Mapping[str, int]) -> AblatedChannels:
        """Channels to set to zero.

        Parameters
        ----------
        mode
            "zero": the channels of the group. "keep_only": all other channels of its layers.
        counts
            Number of channels of each layer.
        """
        if mode == "zero":
            return self.channels
        return {
            layer: sorted(set(range(counts[layer])) - set(numbers))
            for layer, numbers in self.channels.items()
        }


def unit_groups(dissection: pd.DataFrame, *, iou_cut: float, each_layer: bool) -> list[Group]:
    """Group channels by the concept and category of their label.

    Parameters
    ----------
    dissection
        The labels from `shapebias.dissection.dissect.dissect`, of one network.
    iou_cut
        Lowest IoU of a channel that detects its concept; a channel of IoU 0 never does.
    each_layer
        Whether to form groups within each layer too, besides those over all layers.

    Returns
    -------
    Groups by category (`category_rank`): the whole category, then its concepts in alphabetical
    order; each over all layers first, then layer by layer.
    """
    detectors = dissection[(dissection["iou"] >= iou_cut) & (dissection["iou"] > 0)]
    groups = []
    for category in sorted(detectors["category"].unique(), key=category_rank):
        of_category = detectors[detectors["category"] == category]
        for concept in ["all", *sorted(of_category["concept"].unique())]:
            detects = of_category["concept"] == concept
            rows = of_category if concept == "all" else of_category[detects]
            channels = {
                layer: sorted(layer_rows["channel"].tolist())
                for layer, layer_rows in rows.groupby("layer", sort=False)
            }
            groups.append(Group("all", category, concept, channels))
            if each_layer:
                for layer in detectors["layer"].unique():
                    if layer in channels:
                        groups.append(Group(layer, category, concept, {layer: channels[layer]}))
    return groups
