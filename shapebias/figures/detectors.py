"""Channels by the category of the concept that they detect best, standard against robust."""

import pandas as pd
from matplotlib.figure import Figure

from shapebias.categories import category_rank
from shapebias.drawing import Pairs, note
from shapebias.panel_kinds import category_bars
from shapebias.selecting import counted

# The IoU from which network dissection calls a channel a detector.
STRICT = 0.04


def draw(*, detectors: pd.DataFrame, pairs: Pairs, iou_cut: float = 0.0) -> Figure:
    """Bars of channels by category: above at one cut of the IoU, below at 0.04.

    Parameters
    ----------
    detectors
        Table `detectors`; a network's layers are added up.
    pairs
        Pair to its `standard` and `robust` network.
    iou_cut
        Least IoU of a channel that counts in the upper row.
    """
    if detectors.empty:
        return note("Units are not dissected in this study.")
    cuts = dict.fromkeys((iou_cut, STRICT))
    rows = {_label(cut): ("n_channels", counted(detectors, cut)) for cut in cuts}
    order = sorted(set(detectors["category"]) - {"all"}, key=category_rank)
    return category_bars(detectors, rows=rows, pairs=pairs, order=order)


def _label(cut: float) -> str:
    return f"Channels with IoU ≥ {cut:g}" if cut > 0 else "Channels"
