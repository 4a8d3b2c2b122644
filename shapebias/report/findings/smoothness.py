"""Answers from smoothness: of kernels, and of activations under noise."""

from collections.abc import Iterator

import numpy as np
import pandas as pd
from jaxtyping import Float

from shapebias.intervals import wilson
from shapebias.report.findings.answers import (
    Answer,
    Difference,
    Measurements,
    comparison,
    difference_of_means,
    percent,
    verdict_of,
)
from shapebias.report.table_rows import paired_rows, varying_channels


def kernels(study: Measurements, yes: int) -> Iterator[Answer]:
    """Mean total variation of all kernels, and the number of convolutions with smoother ones.

    No kernel is left out, so the sign of the difference alone decides. A network without kernels
    larger than 1 x 1 is not compared.
    """
    table = study.table("kernel_tv")
    measure = {"measure": "mean total variation of kernels", "unit": "weight"}
    for pair, standard, robust in paired_rows(table, study.pairs):
        a, b = (side.set_index("layer")["mean_tv"] for side in (standard, robust))
        gap, layers = b["all"] - a["all"], a.index.intersection(b.index).drop("all")
        if np.isnan(gap):
            continue
        columns = {"pair": pair, "baseline": a["all"], "value": b["all"], "difference": gap}
        yield {**measure, **columns, "verdict": verdict_of(yes * int(np.sign(gap)), yes)}
        smoother = {"measure": "convolutions with smoother kernels", "unit": "convolutions"}
        count = float((b[layers] < a[layers]).sum())
        yield {**smoother, "pair": pair, "value": count, "n": len(layers)}
    for model, rows in study.unpaired(table[table["layer"] == "all"]):
        yield {**measure, "model": model, "value": rows["mean_tv"].iloc[0]}


def first_layers(study: Measurements, yes: int) -> Iterator[Answer]:
    """Share of first-layer filters whose best match in the robust network is smoother."""
    for pair, rows in study.table("filter_matches").groupby("pair", sort=False):
        names = {"pair": pair, "n": len(rows)}
        smoother = int((rows["tv_difference"] > 0).sum())
        low, high = wilson(smoother, len(rows))
        share = smoother / len(rows)
        measure = "filters with a smoother robust match (50 % by chance)"
        gap = Difference(share - 0.5, low - 0.5, high - 0.5)
        yield comparison(gap, yes, measure=measure, value=percent(share), unit="points", **names)
        measure, median = "median rank correlation with the match", rows["spearman"].median()
        yield {**names, "measure": measure, "value": median, "unit": "correlation"}
        measure, strong = "rank correlation of at least 0.5 for", (rows["spearman"] >= 0.5).sum()
        yield {**names, "measure": measure, "value": float(strong), "unit": "filters"}


def activations(study: Measurements, yes: int) -> Iterator[Answer]:
    """Factor by which noise increases the total variation of a channel (geometric mean)."""
    if study.noise is None:
        return
    clean, noisy = study.noise
    table = varying_channels(study.table("activation_tv"), clean=clean, noisy=noisy)
    measure = {"measure": "noisy / clean total variation, geometric mean", "unit": "ratio"}
    for pair, *sides in paired_rows(table, study.pairs):
        a, b = map(_log_ratios, sides)
        columns = {"baseline": _exp(a.mean()), "value": _exp(b.mean()), "n": len(b)}
        gap = difference_of_means(b, a)
        yield comparison(gap, yes, scale=_exp, pair=pair, **columns, **measure)
    for model, rows in study.unpaired(table):
        value = _exp(_log_ratios(rows).mean())
        yield {**measure, "model": model, "value": value, "n": len(rows)}


def _log_ratios(rows: pd.DataFrame) -> Float[np.ndarray, " channel"]:
    return np.log(rows["noisy"] / rows["clean"]).to_numpy(float)


def _exp(value: float) -> float:
    return float(np.exp(value))
