"""Public tables as the report shows them: whole where short, their first rows where long."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from pandas.api.types import is_float_dtype, is_numeric_dtype

from shapebias.io.table_schemas import TABLES

# Rows that a page shows of a table with a row a channel, filter or image, and of any other.
SHOWN_UNITS, SHOWN = 60, 400
UNITS = ("channel", "filter", "image_id")
# How the rows of a long table are ranked, highest first: in words, the columns that are added up,
# and those whose sum they are a share of. Only shares compare between networks.
RANKED = {
    "dissection": ("iou", ("iou",), ()),
    "dissection_iou": ("iou", ("iou",), ()),
    "ablation": (
        "share of decisions lost",
        ("shape_score", "texture_score"),
        ("n_shape", "n_texture"),
    ),
}


@dataclass(frozen=True)
class Heading:
    """A column's name, and what it holds with its unit."""

    name: str
    tip: str
    numeric: bool


@dataclass(frozen=True)
class View:
    """A table as shown: cells are pairs of the value to sort by and the text to show."""

    name: str
    row: str
    headings: tuple[Heading, ...]
    rows: tuple[tuple[tuple[str, str], ...], ...]
    total: int
    order: str
    summary: "View | None" = None


def view_of(name: str, table: pd.DataFrame) -> View:
    """View of a public table; a long one has a summary by network or pair.

    Parameters
    ----------
    name
        Of the table, known to `shapebias.io.table_schemas` or not.
    table
        The whole table.
    """
    known = TABLES.get(name)
    tips = {c.name: f"{c.description}{_unit(c.unit)}" for c in known.columns} if known else {}
    row = known.row if known else ""
    units = any(unit in table for unit in UNITS)
    shown = SHOWN_UNITS if units else SHOWN
    if len(table) <= shown:
        return View(name, row, _headings(table, tips), _rows(table), len(table), "")
    first, order = table, "the first"
    if name in RANKED:
        words, parts, wholes = RANKED[name]
        rank = table[[*parts]].sum(axis=1)
        if wholes:
            # Without any decision none is lost.
            rank /= table[[*wholes]].sum(axis=1).clip(lower=1)
        rank = rank.sort_values(ascending=False, kind="stable")
        first, order = table.loc[rank.index], f"those of highest {words}"
    summary = summary_of(table) if units else None
    first = first.head(shown)
    return View(name, row, _headings(table, tips), _rows(first), len(table), order, summary)


def summary_of(table: pd.DataFrame) -> View | None:
    """Number of rows and mean of every measured column, by network, control or pair, and set."""
    by = [key for key in ("model", "control", "pair", "image_set") if key in table]
    if not by:
        return None
    keys = {"channel", "filter", "match", "threshold"}
    measured = [c for c in table if is_numeric_dtype(table[c]) and c not in keys]
    groups = table.groupby(by, sort=False)
    summary = pd.concat(
        [groups.size().rename("rows"), groups[measured].mean().add_prefix("mean ")], axis=1
    ).reset_index()
    return View("summary", "", _headings(summary, {}), _rows(summary), len(summary), "")


def _headings(table: pd.DataFrame, tips: dict[str, str]) -> tuple[Heading, ...]:
    return tuple(
        Heading(column, tips.get(column, ""), is_numeric_dtype(table[column])) for column in table
    )


def _rows(table: pd.DataFrame) -> tuple[tuple[tuple[str, str], ...], ...]:
    columns = [_cells(table[column]) for column in table]
    return tuple(zip(*columns, strict=True))


def _cells(column: pd.Series) -> list[tuple[str, str]]:
    if is_float_dtype(column):
        return [(repr(float(v)), f"{v:.4g}" if np.isfinite(v) else "–") for v in column]
    return [(str(value), str(value)) for value in column]


def _unit(unit: str) -> str:
    return f" ({unit})" if unit else ""
