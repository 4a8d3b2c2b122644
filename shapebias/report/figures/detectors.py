"""Number of channels by the category of their label, standard against robust."""

import pandas as pd
from matplotlib.figure import Figure

from shapebias.dissection.detectors import DETECTOR_IOU, detectors_of_controls
from shapebias.report.plotting.category_bars import Bars, category_bars, iou_range
from shapebias.report.plotting.panels import Pairs, Unpaired
from shapebias.report.plotting.style import empty_figure
from shapebias.report.table_rows import counts_at_cut, nonempty
from shapebias.stimuli.concept_categories import category_rank


def draw(
    *,
    detectors: pd.DataFrame,
    pairs: Pairs,
    unpaired: Unpaired,
    dissection_controls: pd.DataFrame | None = None,
    iou_cut: float = 0.0,
) -> Figure:
    """Draw the number of channels by category as bars: above at one cut of the IoU, below at 0.04.

    Parameters
    ----------
    detectors
        Table `detectors`; the layers of a network are summed.
    pairs
        Pair to its `standard` and `robust` network.
    unpaired
        Networks of the study that are in no pair, in its order.
    dissection_controls
        Table of that name; each randomised control is a mark across the bars.
    iou_cut
        Least IoU of a channel that counts in the upper row.
    """
    if detectors.empty:
        return empty_figure("Channels are not dissected in this study.")
    controls = nonempty(dissection_controls)
    by_chance = None if controls is None else detectors_of_controls(controls)
    rows = {
        f"Channels with {iou_range(cut)}": Bars(
            _bars(detectors, cut), chance=None if by_chance is None else _bars(by_chance, cut)
        )
        for cut in dict.fromkeys((iou_cut, DETECTOR_IOU))
    }
    order = sorted(set(detectors["category"]) - {"all"}, key=category_rank)
    return category_bars(rows, pairs=pairs, unpaired=unpaired, order=order)


def _bars(detectors: pd.DataFrame, cut: float) -> pd.DataFrame:
    bars = counts_at_cut(detectors, cut).rename(columns={"n_channels": "value"})
    return bars.assign(number=bars["value"])
