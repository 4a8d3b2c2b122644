"""The channels on which most decisions depend, as the report lists them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

# What the report's table shows after network and channel: column, heading, what it holds.
SHOWN = {
    "concept": ("label", "concept that the channel detects best"),
    "category": ("category", "category of that concept"),
    "iou": ("IoU", "intersection over union of the channel's mask and that concept"),
    "diversity": ("diversity", "concepts with an IoU of at least 0.01"),
    "shape_score": ("Shape", "images labelled by shape that get another label without it, of all"),
    "texture_score": (
        "Texture",
        "images labelled by texture that get another label without it, of all",
    ),
    "mean_shape_change": (
        "Δp shape",
        "change of the shape class's probability without it, mean over images labelled by shape",
    ),
    "mean_texture_change": (
        "Δp texture",
        "change of the texture class's probability without it, mean over images labelled by it",
    ),
}
TEXTS = ("concept", "category")
HEADINGS = [
    ("network", "", False),
    ("channel", "layer, and index along its channel axis", False),
    *((heading, tip, column not in TEXTS) for column, (heading, tip) in SHOWN.items()),
]


@dataclass(frozen=True)
class LinkedChannel:
    """A line of the report's table: cells are a value to sort by, a text, and whether a number."""

    model: str
    name: str
    anchor: str
    cells: tuple[tuple[str, str, bool], ...]


def important_channels(
    ablation: pd.DataFrame, dissection: pd.DataFrame | None, number: int
) -> pd.DataFrame:
    """Channels on which most decisions depend, so many of each network, in turn by layer.

    Every layer gives the channel of its highest sum of Shape and Texture score, then its second,
    until there are enough; in the last turn the layers with the higher sums come first. Without
    turns the first layers would give nearly all: they have few channels, and each carries more.

    Parameters
    ----------
    ablation
        Table `ablation`, or part of it.
    dissection
        Table `dissection`, or part of it; None where channels have no labels.
    number
        Of channels of each network.

    Returns
    -------
    Rows of `ablation`, the highest sum first, network by network; of equals the first. Joined to
    them are the columns of `dissection`; a channel that is not there has none, and a channel on
    which no decision depends is never listed.
    """
    total = (ablation["shape_score"] + ablation["texture_score"]).sort_values(
        ascending=False, kind="stable"
    )
    ranked = ablation.loc[total[total > 0].index]
    turns = ranked.groupby(["model", "layer"]).cumcount().sort_values(kind="stable")
    chosen = ranked.loc[turns.index].groupby("model", sort=False).head(number).index
    ranked = ranked[ranked.index.isin(chosen)]
    order = {model: place for place, model in enumerate(ablation["model"].unique())}
    ranked = ranked.sort_values("model", key=lambda names: names.map(order), kind="stable")
    if dissection is None:
        return ranked.reset_index(drop=True)
    return ranked.merge(dissection, on=["model", "layer", "channel"], how="left")


def linked_channels(tables: Mapping[str, pd.DataFrame], number: int) -> list[LinkedChannel]:
    """Lines of the report's table, where channels were silenced."""
    if "ablation" not in tables or not number:
        return []
    found = important_channels(tables["ablation"], tables.get("dissection"), number)
    return [
        LinkedChannel(
            row["model"],
            f"{row['layer']} {row['channel']}",
            anchor(row["layer"], row["channel"]),
            tuple(cell(column, row) for column in SHOWN),
        )
        for row in found.to_dict("records")
    ]


def anchor(layer: str, channel: int) -> str:
    """Name of a channel's place in its network's page."""
    return f"{layer}-{channel}"


def cell(column: str, row: Mapping[str, Any]) -> tuple[str, str, bool]:
    """A channel's value to sort by, the text shown, and whether it is a number."""
    value = row.get(column)
    if value is None or pd.isna(value):
        return "0", "–", column not in TEXTS
    if column in TEXTS:
        return value, value, False
    if column.endswith("change"):
        return repr(float(value)), f"{value:+.3f}".replace("-", "−"), True
    if column.endswith("score"):
        decisions = row[f"n_{column.removesuffix('_score')}"]
        # By its share, as networks differ in how many decisions they have to lose.
        return repr(float(value) / max(decisions, 1)), f"{value:.0f} of {decisions:.0f}", True
    return repr(float(value)), f"{value:.0f}" if column == "diversity" else f"{value:.3f}", True
