"""Files of predictions: one row per image, with the entry-level classes in the metadata."""

import json
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from shapebias.io.atomic import atomic_write, parquet_errors
from shapebias.io.provenance import metadata

PREDICTIONS = pa.schema(
    [
        ("image_id", pa.string()),
        ("label", pa.string()),
        ("top5", pa.list_(pa.string())),
        ("top5_probability", pa.list_(pa.float64())),
        ("label_probability", pa.float64()),
        ("entry_probabilities", pa.list_(pa.float64())),
    ]
)


def write_predictions(frame: pd.DataFrame, path: str | Path) -> None:
    """Write the predictions that `behaviour.predict.predict` returns.

    Parameters
    ----------
    frame
        Columns of `PREDICTIONS`; ``attrs["entry_classes"]`` lists the entry-level classes whose
        probabilities are in `entry_probabilities`, and may be None.
    path
        Parquet file.
    """
    frame = frame.assign(entry_probabilities=frame.get("entry_probabilities"))
    table = pa.Table.from_pandas(frame[PREDICTIONS.names], PREDICTIONS, preserve_index=False)
    entry_classes = json.dumps(frame.attrs.get("entry_classes")).encode()
    with atomic_write(path) as temporary:
        pq.write_table(
            table.replace_schema_metadata({b"entry_classes": entry_classes, **metadata()}),
            temporary,
        )


def read_predictions(path: str | Path) -> pd.DataFrame:
    """Read the predictions of one network on one image set, as `write_predictions` takes them."""
    with parquet_errors(path):
        table = pq.read_table(path)
    frame = table.to_pandas()
    frame.attrs["entry_classes"] = json.loads(table.schema.metadata[b"entry_classes"])
    return frame
