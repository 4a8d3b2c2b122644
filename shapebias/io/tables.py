"""Read and write the public tables; every write is checked against its schema."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from shapebias.errors import ShapebiasError, UnknownName
from shapebias.io.atomic import atomic_write, parquet_errors
from shapebias.io.provenance import metadata
from shapebias.io.table_schemas import TABLES


def write_table(frame: pd.DataFrame, path: str | Path, *, schema: str) -> None:
    """Write a table that fits its declared schema, whole, with its provenance.

    Parameters
    ----------
    frame
        The table's columns, in any order and no others.
    path
        Parquet file; where it ends in ``.csv``, comma-separated text.
    schema
        Name in `TABLES`.

    Raises
    ------
    ShapebiasError
        If a column is missing, unknown, or holds values of another type.
    """
    table = arrow_table(frame, schema)
    with atomic_write(path) as temporary:
        if Path(path).suffix == ".csv":
            table.to_pandas().to_csv(temporary, index=False)
        else:
            pq.write_table(table, temporary)


def arrow_table(frame: pd.DataFrame, schema: str) -> pa.Table:
    """Frame as an Arrow table of a declared schema."""
    if schema not in TABLES:
        raise UnknownName("table", schema, TABLES)
    expected = TABLES[schema].schema()
    for name in frame.columns:
        if name not in expected.names:
            raise UnknownName(f"column of table {schema}", name, expected.names)
    for name in expected.names:
        if name not in frame.columns:
            raise ShapebiasError(f"table {schema} lacks its column {name!r}")
    try:
        table = pa.Table.from_pandas(frame[expected.names], expected, preserve_index=False)
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise ShapebiasError(f"table {schema}: {' '.join(map(str, error.args))}") from error
    return table.replace_schema_metadata(metadata())


def read_table(*paths: str | Path, above_zero: str | None = None) -> pd.DataFrame:
    """Table of one Parquet file, or of several in turn; a damaged file is an error that names it.

    Parameters
    ----------
    above_zero
        Column whose values must be above zero for a row to be read.
    """
    rows = [(above_zero, ">", 0)] if above_zero else None
    frames = []
    for path in paths:
        with parquet_errors(path):
            frames.append(pq.read_table(path, filters=rows).to_pandas())
    # What is in one file, as the millions of overlaps, is not copied.
    return frames[0] if len(frames) == 1 else pd.concat(frames, ignore_index=True)


def join_by_layer(paths: Sequence[str | Path], path: str | Path, *, schema: str) -> None:
    """Write one table from several files of it, in their order, with one row group a layer.

    A reader that wants one layer then reads that layer alone.
    """
    parts = pa.concat_tables(arrow_table(read_table(part), schema) for part in paths)
    layers = parts.column("layer").unique().to_pylist()
    with (
        atomic_write(path) as temporary,
        pq.ParquetWriter(temporary, parts.schema) as writer,
    ):
        for layer in layers:
            writer.write_table(parts.filter(pc.equal(parts.column("layer"), layer)))
