"""Schemas of the public tables, declared in ``data/tables.yaml``."""

from collections.abc import Iterator
from dataclasses import dataclass
from importlib import resources
from typing import Any

import pyarrow as pa
import yaml

TYPES = {"text": pa.string(), "count": pa.int64(), "number": pa.float64()}


@dataclass(frozen=True)
class Column:
    """One column: its name, type (a key of `TYPES`), unit and description."""

    name: str
    type: str
    unit: str
    description: str


@dataclass(frozen=True)
class Table:
    """One table: what a row is, and its columns in order."""

    row: str
    columns: tuple[Column, ...]

    def schema(self) -> pa.Schema:
        """Return the Arrow schema, with unit and description in each field's metadata."""
        return pa.schema(
            pa.field(c.name, TYPES[c.type], metadata={"unit": c.unit, "description": c.description})
            for c in self.columns
        )


def _read_tables() -> dict[str, Table]:
    file = resources.files("shapebias") / "data" / "tables.yaml"
    text = yaml.load(file.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)

    def columns(entries: list[Any]) -> Iterator[Column]:
        for entry in entries:
            if isinstance(entry, str):
                yield from columns(text["shared"][entry])
            else:
                ((name, (type_, unit, description)),) = entry.items()
                yield Column(name, type_, unit, description)

    return {
        name: Table(table["row"], tuple(columns(table["columns"])))
        for name, table in text["tables"].items()
    }


TABLES = _read_tables()


def documentation() -> str:
    """Return a Markdown page that describes every public table."""
    lines = ["# Tables", "", "Each is `results/<study>/tables/<name>.parquet`, with a `.csv` copy."]
    lines += ["Tables of many rows (`dissection_iou`, `top_images`, `ablation_flips`) are folders"]
    lines += ["with one Parquet file per network."]
    for name, table in TABLES.items():
        lines += ["", f"## {name}", "", f"One row: {table.row}.", ""]
        lines += ["| column | type | unit | description |", "|---|---|---|---|"]
        lines += [f"| `{c.name}` | {c.type} | {c.unit} | {c.description} |" for c in table.columns]
    return "\n".join(lines) + "\n"
