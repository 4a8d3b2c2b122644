"""Groups of channels: those that detect one concept, or any of one category."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from shapebias.stimuli.concept_categories import category_rank

MODES = ("zero", "keep_only")
AblatedChannels = Mapping[str, Sequence[int]]


@dataclass(frozen=True)
class Group:
    """Channels by layer that detect a concept, or any of a category for the concept `all`.

    `layer` is the one that they are of, or `all`.
    """

    layer: str
    category: str
    concept: str
    channels: AblatedChannels

    def silent(self, mode: str, counts: Mapping[str, int]) -> AblatedChannels:
        """Channels to set to zero: its own, or all others of the layers in which it has some."""
        if mode == "zero":
            return self.channels
        return {
            layer: sorted(set(range(counts[layer])) - set(own))
            for layer, own in self.channels.items()
        }


def unit_groups(dissection: pd.DataFrame, *, iou_cut: float, each_layer: bool) -> list[Group]:
    """Groups of channels by the concept that each detects.

    Parameters
    ----------
    dissection
        The first frame of `shapebias.dissection.dissect`, of one network.
    iou_cut
        Least IoU of a channel that detects its concept; a channel of IoU 0 never does.
    each_layer
        Whether the channels of each layer are groups of their own besides those of all layers.

    Returns
    -------
    Categories in their order, each as a whole and then by concept in alphabetical order; first
    over all layers.
    """
    detectors = dissection[(dissection["iou"] >= iou_cut) & (dissection["iou"] > 0)]
    layers = ["all", *(detectors["layer"].unique() if each_layer else ())]
    found = []
    for category in sorted(detectors["category"].unique(), key=category_rank):
        own = detectors[detectors["category"] == category]
        for concept in ["all", *sorted(own["concept"].unique())]:
            alike = own if concept == "all" else own[own["concept"] == concept]
            channels = {
                layer: sorted(rows["channel"].tolist())
                for layer, rows in alike.groupby("layer", sort=False)
            }
            found += [
                Group(layer, category, concept, _within(layer, channels))
                for layer in layers
                if layer in ("all", *channels)
            ]
    return found


def _within(layer: str, channels: AblatedChannels) -> AblatedChannels:
    return channels if layer == "all" else {layer: channels[layer]}
