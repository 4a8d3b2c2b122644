"""Channels by the category of the concept that they detect best, standard against robust."""

import pandas as pd
from matplotlib.figure import Figure

from shapebias.categories import category_rank
from shapebias.detectors import STRICT, detectors_of_twins
from shapebias.drawing import Pairs, note
from shapebias.panel_kinds import category_bars
from shapebias.selecting import counted


def draw(
    *,
    detectors: pd.DataFrame,
    pairs: Pairs,
    dissection_twins: pd.DataFrame | None = None,
    iou_cut: float = 0.0,
) -> Figure:
    """Bars of channels by category: above at one cut of the IoU, below at 0.04.

    Parameters
    ----------
    detectors
        Table `detectors`; a network's layers are added up.
    pairs
        Pair to its `standard` and `robust` network.
    dissection_twins
        Table of that name: channels of networks that have learnt nothing.
    iou_cut
        Least IoU of a channel that counts in the upper row.
    """
    if detectors.empty:
        return note("Units are not dissected in this study.")
    cuts = dict.fromkeys((iou_cut, STRICT))
    rows = {_label(cut): ("n_channels", counted(detectors, cut)) for cut in cuts}
    chance = {}
    if dissection_twins is not None and len(dissection_twins):
        twins = detectors_of_twins(dissection_twins)
        chance = {_label(cut): counted(twins, cut) for cut in cuts}
    order = sorted(set(detectors["category"]) - {"all"}, key=category_rank)
    return category_bars(detectors, rows=rows, pairs=pairs, order=order, chance=chance)


def _label(cut: float) -> str:
    return f"Channels with IoU ≥ {cut:g}" if cut > 0 else "Channels"
