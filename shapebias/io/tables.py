"""Read and write the public tables; every write is checked against the table's schema."""

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
    """Write a table with its provenance, whole or not at all.

    Parameters
    ----------
    frame
        Exactly the columns of the schema, in any order.
    path
        Parquet file; if it ends in ``.csv``, comma-separated text.
    schema
        Name in `TABLES`.

    Raises
    ------
    ShapebiasError
        If a column is missing, unknown, or has values of the wrong type.
    """
    table = arrow_table(frame, schema)
    with atomic_write(path) as temporary:
        if Path(path).suffix == ".csv":
            table.to_pandas().to_csv(temporary, index=False)
        else:
            pq.write_table(table, temporary)


def arrow_table(frame: pd.DataFrame, schema: str) -> pa.Table:
    """Convert a frame to an Arrow table of a schema in `TABLES`.

    Raises
    ------
    ShapebiasError
        As for `write_table`.
    """
    if schema not in TABLES:
        raise UnknownName("table", schema, TABLES)
    expected = TABLES[schema].schema()
    for name in frame.columns:
        if name not in expected.names:
            raise UnknownName(f"column of table {schema}", name, expected.names)
    for name in expected.names:
        if name not in frame.columns:
            raise ShapebiasError(f"table {schema} lacks the column {name!r}: add it to the frame")
    try:
        table = pa.Table.from_pandas(frame[expected.names], expected, preserve_index=False)
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise ShapebiasError(f"table {schema}: {' '.join(map(str, error.args))}") from error
    return table.replace_schema_metadata(metadata())


def read_table(*paths: str | Path, above_zero: str | None = None) -> pd.DataFrame:
    """Read a table from one Parquet file, or from several in order.

    Parameters
    ----------
    above_zero
        Column by which rows are filtered: those where it is above zero are read.

    Raises
    ------
    ShapebiasError
        If a file is missing or damaged; the message names it.
    """
    filters = [(above_zero, ">", 0)] if above_zero else None
    frames = []
    for path in paths:
        with parquet_errors(path):
            frames.append(pq.read_table(path, filters=filters).to_pandas())
    # A single frame is not copied: it may have millions of rows.
    return frames[0] if len(frames) == 1 else pd.concat(frames, ignore_index=True)


def join_by_layer(paths: Sequence[str | Path], path: str | Path, *, schema: str) -> None:
    """Concatenate the files of one table, in order, with one row group per layer.

    A reader that needs one layer then reads only that row group.
    """
    table = pa.concat_tables(arrow_table(read_table(part), schema) for part in paths)
    with (
        atomic_write(path) as temporary,
        pq.ParquetWriter(temporary, table.schema) as writer,
    ):
        for layer in table.column("layer").unique().to_pylist():
            writer.write_table(table.filter(pc.equal(table.column("layer"), layer)))
