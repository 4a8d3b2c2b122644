"""Differences within pairs, on planted predictions."""

import numpy as np
import pandas as pd
import pytest

from shapebias.behaviour.differences import accuracy_differences, shape_bias_differences
from shapebias.errors import ShapebiasError
from shapebias.io.table_schemas import TABLES
from shapebias.io.tables import arrow_table

PAIRS = {"a": {"standard": "s", "robust": "r"}}
SELECTIONS = {"a": {"0", "1", "2", "3"}}


def predictions(classes, labels=None):
    """Predictions of these first classes; every image shows class x."""
    labels = ["x"] * len(classes) if labels is None else labels
    rows = [
        (str(i), *row) for i, row in enumerate(zip(labels, [[c] for c in classes], strict=True))
    ]
    frame = pd.DataFrame(rows, columns=["image_id", "label", "top5"])
    frame.attrs["entry_classes"] = None
    return frame


def reader(**classes):
    return lambda model, image_set: predictions(classes[model])


def compared(rows):
    return [tuple(row[name] for name in ("difference", "low", "high")) for row in rows]


def cues(n):
    frame = pd.DataFrame({"image_id": [str(i) for i in range(n)], "shape": "x", "texture": "y"})
    return {"conflict": frame}


def test_identical_networks_do_not_differ():
    read = reader(s="xyxyxyyy", r="xyxyxyyy")
    rows = accuracy_differences(read, ["clean"], PAIRS, SELECTIONS, seed=0)
    rows += shape_bias_differences(read, cues(8), PAIRS, seed=0)
    assert compared(rows) == [(0, 0, 0)] * 3
    table = arrow_table(pd.DataFrame(rows), "differences")
    assert table.column_names == [column.name for column in TABLES["differences"].columns]


def test_planted_networks_differ_as_planted():
    read = reader(s="y" * 8, r="x" * 8)
    rows = accuracy_differences(read, ["clean"], PAIRS, SELECTIONS, seed=0)
    rows += shape_bias_differences(read, cues(8), PAIRS, seed=0)
    assert compared(rows) == [(1, 1, 1)] * 3
    assert [(row["standard"], row["robust"]) for row in rows] == [(0, 1)] * 3
    assert [(row["selection"], row["n"]) for row in rows] == [("all", 8), ("a", 4), ("all", 8)]


def test_intervals_are_those_of_resampled_images():
    generator = np.random.default_rng(0)
    right = {side: generator.random(300) < share for side, share in (("s", 0.4), ("r", 0.6))}
    # Images on which both networks agree.
    right["r"] = np.where(generator.random(300) < 0.6, right["s"], right["r"])
    read = reader(**{side: np.where(hits, "x", "y") for side, hits in right.items()})
    (row, _) = accuracy_differences(read, ["clean"], PAIRS, SELECTIONS, seed=0)
    drawn = generator.integers(0, 300, (10_000, 300))
    differences = (right["r"][drawn].mean(axis=1)) - (right["s"][drawn].mean(axis=1))
    assert row["difference"] == pytest.approx(right["r"].mean() - right["s"].mean())
    ends = np.quantile(differences, [0.025, 0.975])
    assert (row["low"], row["high"]) == pytest.approx(tuple(ends), abs=0.01)
    # Pairing narrows the interval.
    unpaired = np.hypot(*(1.96 * hits.std() / np.sqrt(300) for hits in right.values()))
    assert row["high"] - row["low"] < 1.8 * unpaired
    again, _ = accuracy_differences(read, ["clean"], PAIRS, SELECTIONS, seed=0)
    other, _ = accuracy_differences(read, ["clean"], PAIRS, SELECTIONS, seed=1)
    assert row == again
    assert row != other


def test_entry_level_sets_are_scored_by_entry_level():
    read = reader(s="zzzz", r="xxxx")
    entry_level = {"x": "animal", "z": "animal"}
    rows = accuracy_differences(
        read, ["clean", "silhouette"], PAIRS, SELECTIONS, seed=0,
        entry_level=entry_level, entry_level_sets=["silhouette"],
    )  # fmt: skip
    assert [(row["image_set"], row["difference"]) for row in rows] == [
        ("clean", 1), ("clean", 1), ("silhouette", 0), ("silhouette", 0),
    ]  # fmt: skip


def test_images_that_do_not_count_are_left_out():
    labelled = {"s": predictions("xy", ["x", None]), "r": predictions("xx", ["x", None])}
    (row, _) = accuracy_differences(
        lambda model, _: labelled[model], ["clean"], PAIRS, SELECTIONS, seed=0
    )
    assert (row["n"], row["difference"]) == (1, 0)
    # Shape and texture of the second image are of one class.
    images = cues(3)["conflict"].assign(texture=["y", "x", "y"])
    (row,) = shape_bias_differences(reader(s="yxz", r="xxz"), {"c": images}, PAIRS, seed=0)
    assert (row["n"], row["standard"], row["robust"]) == (2, 0, 1)


def test_a_network_without_decisions_has_no_difference():
    (row,) = shape_bias_differences(reader(s="zz", r="xy"), cues(2), PAIRS, seed=0)
    assert np.isnan([row["standard"], row["difference"], row["low"], row["high"]]).all()
    rows = accuracy_differences(reader(s="x", r="x"), ["clean"], PAIRS, {"a": set()}, seed=0)
    assert rows[1]["n"] == 0 and np.isnan(rows[1]["difference"])


def test_networks_are_compared_on_the_same_images_only():
    read = reader(s="xx", r="xxx")
    with pytest.raises(ShapebiasError, match="different images"):
        accuracy_differences(read, ["clean"], PAIRS, SELECTIONS, seed=0)
