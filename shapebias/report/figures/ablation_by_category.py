"""Mean effect of ablating one channel on decisions by shape and by texture, by category."""

import pandas as pd
from matplotlib.figure import Figure

from shapebias.ablation.by_category import CUES, scores_of_networks
from shapebias.report.plotting.category_bars import Bars, category_bars, iou_range
from shapebias.report.plotting.panels import Pairs, Unpaired
from shapebias.report.plotting.style import empty_figure
from shapebias.stimuli.concept_categories import category_rank


def draw(
    *,
    ablation: pd.DataFrame,
    dissection: pd.DataFrame,
    pairs: Pairs,
    unpaired: Unpaired,
    iou_cut: float = 0.0,
) -> Figure:
    """Draw the shares of decisions lost, and the scores, as bars by category.

    Parameters
    ----------
    ablation, dissection
        Tables of these names.
    pairs
        Pair to its `standard` and `robust` network.
    unpaired
        Networks of the study that are in no pair, in its order.
    iou_cut
        Least IoU at which a channel counts in the category of its label; `all` is every channel.
    """
    if ablation.empty:
        return empty_figure("No channels are ablated in this study.")
    table = scores_of_networks(ablation, dissection, iou_cut=iou_cut)
    rows = {f"{cue.capitalize()} decisions lost (%)": _shares(table, cue) for cue in CUES}
    rows |= {f"{cue.capitalize()} score (images)": _scores(table, cue) for cue in CUES}
    categories = set(table["category"])
    order = sorted(categories, key=lambda name: (name != "all", category_rank(name)))
    note = f"categories: channels with {iou_range(iou_cut)}"
    return category_bars(rows, pairs=pairs, unpaired=unpaired, order=order, note=note)


def _shares(table: pd.DataFrame, cue: str) -> Bars:
    """Shares in percent, annotated with the number of decisions."""
    decisions = table.groupby("model")[f"n_{cue}"].first()
    annotations = {model: f"of {n:,}" for model, n in decisions.items()}
    return Bars(_bars(table, cue, 100.0), annotations=annotations)


def _scores(table: pd.DataFrame, cue: str) -> Bars:
    bars = _bars(table, cue, table[f"n_{cue}"])
    # A network without decisions has no share, but a score of 0.
    return Bars(bars.assign(value=table[f"mean_{cue}_score"]))


def _bars(table: pd.DataFrame, cue: str, scale: float | pd.Series) -> pd.DataFrame:
    """Shares times a scale, with their intervals."""
    columns = {"value": "mean_{}_share", "low": "{}_share_low", "high": "{}_share_high"}
    values = {name: table[column.format(cue)] * scale for name, column in columns.items()}
    return table[["model", "category"]].assign(number=table["n_channels"], **values)
