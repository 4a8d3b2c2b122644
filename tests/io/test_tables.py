import json

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from shapebias.errors import ShapebiasError
from shapebias.io.checksums import sha256_of
from shapebias.io.provenance import provenance
from shapebias.io.table_schemas import TABLES
from shapebias.io.tables import join_by_layer, read_table, write_table

CODE = {"study": "tiny", "seed": 1, "fingerprint": "abc"}


def matches(**changes):
    frame = pd.DataFrame(
        {
            "pair": ["a", "a"],
            "filter": [0, 1],
            "match": [1, 0],
            "spearman": [0.5, np.nan],
            "tv_difference": [1.0, -1.0],
        }
    )
    return frame.assign(**changes)


def test_a_table_is_read_as_it_was_written(tmp_path):
    write_table(matches(), tmp_path / "t.parquet", schema="filter_matches")
    pd.testing.assert_frame_equal(read_table(tmp_path / "t.parquet"), matches())


def test_units_and_descriptions_are_in_the_file(tmp_path):
    write_table(matches(), tmp_path / "t.parquet", schema="filter_matches")
    field = pq.read_schema(tmp_path / "t.parquet").field("tv_difference")
    assert field.metadata[b"unit"] == b"weight"
    assert field.metadata[b"description"]


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (matches().drop(columns="match"), "lacks the column 'match'"),
        (matches(spearmen=0.0), "did you mean 'spearman'"),
        (matches(match=["x", "y"]), "filter_matches"),
    ],
)
def test_a_frame_that_does_not_fit_the_schema_is_not_written(tmp_path, frame, message):
    with pytest.raises(ShapebiasError, match=message):
        write_table(frame, tmp_path / "t.parquet", schema="filter_matches")
    assert list(tmp_path.iterdir()) == []


def test_provenance_names_study_code_and_inputs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in").write_text("content")
    with provenance(CODE, ["in", str(tmp_path / "in")]):
        write_table(matches(), "t.parquet", schema="filter_matches")
    record = json.loads(pq.read_schema("t.parquet").metadata[b"shapebias"])
    assert (record["study"], record["fingerprint"]) == ("tiny", "abc")
    assert record["inputs"] == {"in": sha256_of("in")}
    assert record["packages"]["pandas"] == pd.__version__


def test_the_same_table_gives_the_same_bytes(tmp_path):
    for name in ("a", "b"):
        with provenance(CODE, []):
            write_table(matches(), tmp_path / name, schema="filter_matches")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_a_damaged_file_is_named(tmp_path):
    (tmp_path / "t.parquet").write_bytes(b"PAR1 nonsense")
    with pytest.raises(ShapebiasError, match=r"cannot read .*t\.parquet"):
        read_table(tmp_path / "t.parquet")


def test_large_tables_have_one_row_group_per_layer(tmp_path):
    def part(layers):
        frame = pd.DataFrame({"model": "m", "layer": layers, "channel": range(len(layers))})
        return frame.assign(
            image_id="i", before="a", after="b",
            before_unablated=0.6, before_ablated=0.3, after_unablated=0.4, after_ablated=0.7,
        )  # fmt: skip

    for name, layers in {"1": ["conv1", "conv1", "conv2"], "2": ["conv2", "conv3"]}.items():
        write_table(part(layers), tmp_path / name, schema="ablation_flips")
    paths = [tmp_path / "1", tmp_path / "2"]
    join_by_layer(paths, tmp_path / "all.parquet", schema="ablation_flips")
    file = pq.ParquetFile(tmp_path / "all.parquet")
    groups = [file.read_row_group(i).to_pandas() for i in range(file.num_row_groups)]
    assert [group["layer"].tolist() for group in groups] == [
        ["conv1", "conv1"],
        ["conv2", "conv2"],
        ["conv3"],
    ]
    assert pd.concat(groups)["channel"].tolist() == [0, 1, 2, 0, 1]


def test_every_table_and_column_has_a_description():
    for name, table in TABLES.items():
        assert table.row, name
        assert all(column.description for column in table.columns), name


def test_columns_of_a_table_have_different_names():
    for name, table in TABLES.items():
        assert len(set(table.schema().names)) == len(table.columns), name
