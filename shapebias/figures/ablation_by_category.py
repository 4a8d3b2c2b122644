"""How much the channels of each category matter to decisions by shape and by texture."""

import pandas as pd
from matplotlib.figure import Figure

from shapebias.categories import category_rank
from shapebias.drawing import Pairs, note
from shapebias.panel_kinds import category_bars


def draw(*, ablation_by_category: pd.DataFrame, pairs: Pairs) -> Figure:
    """Bars of the mean Shape score (above) and Texture score (below) by category.

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
    rows = {
        "Shape score (images)": ("mean_shape_score", table),
        "Texture score (images)": ("mean_texture_score", table),
    }
    categories = set(table["category"])
    order = sorted(categories, key=lambda name: (name != "all", category_rank(name)))
    return category_bars(table, rows=rows, pairs=pairs, order=order)
