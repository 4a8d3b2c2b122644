"""How much the channels of each category matter to decisions by shape and by texture."""

import pandas as pd
from matplotlib.figure import Figure

from shapebias.categories import category_rank
from shapebias.category_bars import Bars, category_bars
from shapebias.category_scores import CUES
from shapebias.drawing import Pairs, note


def draw(*, ablation_by_category: pd.DataFrame, pairs: Pairs) -> Figure:
    """Bars by category: the shares of both kinds of decision that are lost, and the scores.

    Parameters
    ----------
    ablation_by_category
        Table `ablation_by_category`; its category `all` is every channel.
    pairs
        Pair to its `standard` and `robust` network.
    """
    if ablation_by_category.empty:
        return note("Channels are not silenced in this study.")
    table = ablation_by_category
    rows = {f"{cue.capitalize()} decisions lost (%)": _shares(table, cue) for cue in CUES}
    rows |= {f"{cue.capitalize()} score (images)": _scores(table, cue) for cue in CUES}
    categories = set(table["category"])
    order = sorted(categories, key=lambda name: (name != "all", category_rank(name)))
    return category_bars(rows, pairs=pairs, order=order)


def _shares(table: pd.DataFrame, cue: str) -> Bars:
    decisions = table.groupby("model")[f"n_{cue}"].first()
    heads = {model: f"of {n:,}" for model, n in decisions.items()}
    return Bars(_bars(table, cue, 100.0), heads=heads)


def _scores(table: pd.DataFrame, cue: str) -> Bars:
    bars = _bars(table, cue, table[f"n_{cue}"])
    return Bars(bars.assign(value=table[f"mean_{cue}_score"]))


def _bars(table: pd.DataFrame, cue: str, scale: float | pd.Series) -> pd.DataFrame:
    """Shares times a scale, with their intervals."""
    columns = {"value": "mean_{}_share", "low": "{}_share_low", "high": "{}_share_high"}
    values = {name: table[column.format(cue)] * scale for name, column in columns.items()}
    return table[["model", "category"]].assign(number=table["n_channels"], **values)
