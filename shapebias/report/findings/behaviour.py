"""Answers from decisions: shape bias, and accuracy on image sets of some kinds."""

from collections.abc import Collection, Iterator
from typing import Any

from shapebias.report.findings.answers import (
    Answer,
    Difference,
    Measurements,
    comparison,
    percent,
)
from shapebias.report.table_rows import accuracy_rows


def shape_biases(study: Measurements, yes: int) -> Iterator[Answer]:
    """Shape bias of the two networks of each pair, and of networks in no pair."""
    differences = study.table("differences")
    for row in differences[differences["measure"] == "shape_bias"].itertuples():
        yield _pair(row, yes, "shape bias")
    table = study.table("shape_bias")
    for _, rows in study.unpaired(table[table["class"] == "all"]):
        for row in rows.itertuples():
            columns = {"value": row.shape_bias, "low": row.low, "high": row.high}
            yield _network(row, "shape bias", **columns) | {"n": row.n_shape + row.n_texture}


def accuracies(study: Measurements, yes: int, sets: Collection[str]) -> Iterator[Answer]:
    """Top-1 accuracy on some image sets.

    A pair is compared on the images that both of its networks label correctly when clean, and on
    all images of the clean set; a network in no pair is scored on all images.
    """
    differences = study.table("differences")
    top1 = differences[(differences["measure"] == "top1") & differences["difference"].notna()]
    for pair, rows in top1.groupby("pair", sort=False):
        rows = accuracy_rows(rows, pair, study.clean)
        for row in rows[rows["image_set"].isin(sets)].itertuples():
            where = "" if row.selection == "all" else " on correctly labelled images"
            yield _pair(row, yes, f"top-1 accuracy{where}")
    table = study.table("accuracy")
    on_all = table[(table["selection"] == "all") & table["image_set"].isin(sets)]
    for _, rows in study.unpaired(on_all):
        for row in rows.itertuples():
            columns = {"value": row.top1, "low": row.top1_low, "high": row.top1_high}
            yield _network(row, "top-1 accuracy", **columns) | {"n": row.n}


def _pair(row: Any, yes: int, measure: str) -> Answer:
    """Answer from a row of the table `differences`."""
    gap = Difference(row.difference, row.low, row.high)
    columns = {"baseline": percent(row.standard), "value": percent(row.robust), "n": row.n}
    names = {"pair": row.pair, "image_set": row.image_set, "measure": measure, "unit": "points"}
    return comparison(gap, yes, **names, **columns)


def _network(row: Any, measure: str, **fractions: float) -> Answer:
    """Percentage of a network in no pair, with its Wilson interval."""
    names = {"model": row.model, "image_set": row.image_set, "measure": measure, "unit": "points"}
    return names | {column: percent(fraction) for column, fraction in fractions.items()}
