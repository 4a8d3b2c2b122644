"""Public tables as the report shows them: in full, or the first rows of a long table."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from pandas.api.types import is_float_dtype, is_numeric_dtype

from shapebias.io.table_schemas import TABLES

# Rows shown of a table with one row for each channel, filter or image, and of any other table.
MAX_UNIT_ROWS, MAX_ROWS = 60, 400
UNITS = ("channel", "filter", "image_id")
# How the rows of a long table are ranked, highest first: in words, columns that are summed, and
# columns by whose sum they are divided. Only shares compare between networks.
RANKING = {
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
    """Name of a column, its description with the unit, and whether it holds numbers."""

    name: str
    tip: str
    numeric: bool


@dataclass(frozen=True)
class View:
    """Table as shown: each cell is the value to sort by and the text to show."""

    name: str
    row: str
    headings: tuple[Heading, ...]
    rows: tuple[tuple[tuple[str, str], ...], ...]
    total: int
    order: str
    summary: "View | None" = None


def view_of(name: str, table: pd.DataFrame) -> View:
    """Select what the report shows of a public table; a long one has a summary by network or pair.

    Parameters
    ----------
    name
        Name of the table, in `shapebias.io.table_schemas` or not.
    table
        The whole table.
    """
    schema = TABLES.get(name)
    row, tips = "", {}
    if schema:
        row = schema.row
        tips = {
            column.name: column.description + (f" ({column.unit})" if column.unit else "")
            for column in schema.columns
        }
    of_units = any(unit in table for unit in UNITS)
    max_rows = MAX_UNIT_ROWS if of_units else MAX_ROWS
    if len(table) <= max_rows:
        return View(name, row, _headings(table, tips), _rows(table), len(table), "")
    ordered, order = table, "the first"
    if name in RANKING:
        words, summed, divisors = RANKING[name]
        rank = table[[*summed]].sum(axis=1)
        if divisors:
            # A network without decisions loses none.
            rank /= table[[*divisors]].sum(axis=1).clip(lower=1)
        rank = rank.sort_values(ascending=False, kind="stable")
        ordered, order = table.loc[rank.index], f"those of highest {words}"
    summary = summary_of(table) if of_units else None
    rows = _rows(ordered.head(max_rows))
    return View(name, row, _headings(table, tips), rows, len(table), order, summary)


def summary_of(table: pd.DataFrame) -> View | None:
    """Summarise a table by network, control, pair and image set: rows, and means of its numbers."""
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
