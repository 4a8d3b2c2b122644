"""Channels on which most decisions depend, as rows of a table in the report."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

# Columns of the report's table after network and channel: heading and description.
SHOWN_COLUMNS = {
    "concept": ("label", "concept that the channel detects best"),
    "category": ("category", "category of that concept"),
    "iou": ("IoU", "intersection over union of the channel's mask and that concept"),
    "diversity": ("diversity", "concepts with an IoU of at least 0.01"),
    "shape_score": ("Shape", "images labelled by shape whose label changes, of all"),
    "texture_score": ("Texture", "images labelled by texture whose label changes, of all"),
    "mean_shape_change": (
        "Δp shape",
        "change of the shape class's probability, mean over images labelled by shape",
    ),
    "mean_texture_change": (
        "Δp texture",
        "change of the texture class's probability, mean over images labelled by texture",
    ),
}
TEXT_COLUMNS = ("concept", "category")
# Heading, description, and whether the column holds numbers.
HEADINGS = [
    ("network", "", False),
    ("channel", "layer, and index along its channel axis", False),
    *(
        (heading, description, column not in TEXT_COLUMNS)
        for column, (heading, description) in SHOWN_COLUMNS.items()
    ),
]


@dataclass(frozen=True)
class LinkedChannel:
    """Row of the report's table.

    Parameters
    ----------
    model, name
        Network and channel.
    anchor
        Id of the channel's section in the network's page.
    cells
        Value to sort by, text, and whether it is a number, for each of `SHOWN_COLUMNS`.
    """

    model: str
    name: str
    anchor: str
    cells: tuple[tuple[str, str, bool], ...]


def important_channels(
    ablation: pd.DataFrame, dissection: pd.DataFrame | None, number: int
) -> pd.DataFrame:
    """Select the channels of each network on which most decisions depend, layer by layer.

    Each layer contributes the channel with the highest sum of Shape and Texture score, then its
    second, until there are enough; in the last round the layers with higher sums come first.
    Without these rounds the first layers would contribute nearly all: they have few channels, and
    each of them changes more decisions.

    Parameters
    ----------
    ablation
        Rows of the table `ablation`.
    dissection
        Rows of the table `dissection`; None if channels have no labels.
    number
        Number of channels of each network.

    Returns
    -------
    Rows of `ablation`, network by network, the highest sum first, ties in the order of `ablation`,
    joined to the columns of `dissection` (missing for channels that are not there). A channel that
    changes no decision is never listed.
    """
    total = (ablation["shape_score"] + ablation["texture_score"]).sort_values(
        ascending=False, kind="stable"
    )
    ranked = ablation.loc[total[total > 0].index]
    rounds = ranked.groupby(["model", "layer"]).cumcount().sort_values(kind="stable")
    selected = ranked.loc[rounds.index].groupby("model", sort=False).head(number).index
    ranked = ranked[ranked.index.isin(selected)]
    order = {model: place for place, model in enumerate(ablation["model"].unique())}
    ranked = ranked.sort_values("model", key=lambda names: names.map(order), kind="stable")
    if dissection is None:
        return ranked.reset_index(drop=True)
    return ranked.merge(dissection, on=["model", "layer", "channel"], how="left")


def linked_channels(tables: Mapping[str, pd.DataFrame], number: int) -> list[LinkedChannel]:
    """Rows of the report's table; none if no channel was ablated."""
    if "ablation" not in tables or not number:
        return []
    channels = important_channels(tables["ablation"], tables.get("dissection"), number)
    return [
        LinkedChannel(
            row["model"],
            f"{row['layer']} {row['channel']}",
            anchor(row["layer"], row["channel"]),
            tuple(cell(column, row) for column in SHOWN_COLUMNS),
        )
        for row in channels.to_dict("records")
    ]


def anchor(layer: str, channel: int) -> str:
    """Id of a channel's section in its network's page.

    Examples
    --------
    >>> anchor("conv4", 19)
    'conv4-19'
    """
    return f"{layer}-{channel}"


def cell(column: str, row: Mapping[str, Any]) -> tuple[str, str, bool]:
    """Value of a channel to sort by, the text shown, and whether it is a number."""
    value, is_number = row.get(column), column not in TEXT_COLUMNS
    if value is None or pd.isna(value):
        return "0", "–", is_number
    if not is_number:
        return value, value, False
    if column.endswith("change"):
        return repr(float(value)), f"{value:+.3f}".replace("-", "−"), True
    if column.endswith("score"):
        decisions = row[f"n_{column.removesuffix('_score')}"]
        # Sorted by share, as networks differ in their number of decisions.
        return repr(float(value) / max(decisions, 1)), f"{value:.0f} of {decisions:.0f}", True
    return repr(float(value)), f"{value:.0f}" if column == "diversity" else f"{value:.3f}", True
