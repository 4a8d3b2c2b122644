"""Answers from how smooth networks are: their kernels, and their activations under noise."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from shapebias.intervals import wilson
from shapebias.report.findings.verdicts import (
    Answer,
    Difference,
    Finding,
    difference_of_means,
    finding,
    unpaired_answers,
)
from shapebias.report.table_rows import paired_rows, percent_change, varying_channels

Tables = Mapping[str, pd.DataFrame]
Pairs = Mapping[str, Mapping[str, str]]


def kernels(tables: Tables, pairs: Pairs) -> Finding:
    """Whether the kernels of robust networks are smoother."""
    answers = []
    for pair, standard, robust in paired_rows(tables.get("kernel_tv"), pairs):
        a, b = (side.set_index("layer")["mean_tv"] for side in (standard, robust))
        layers = [layer for layer in a.index if layer != "all" and layer in b.index]
        smoother = int((b[layers] < a[layers]).sum())
        text = f"smoother in {smoother} of {len(layers)} convolutions"
        if "all" in a and "all" in b:
            less = percent_change(a["all"], b["all"])
            text = f"mean total variation {a['all']:.3g} → {b['all']:.3g} ({less}), {text}"
            signs = (int(np.sign(a["all"] - b["all"])),)
        else:
            signs = (int(np.sign(2 * smoother - len(layers))),)
        answers.append(Answer(f"{pair}, standard → robust: {text}.", signs))
    return finding(
        "Are the kernels of robust networks smoother?",
        [*answers, *unpaired_answers(tables.get("kernel_tv"), pairs, _kernel_mean)],
        published="Mean kernel total variation 110.20 → 63.59 (AlexNet) and 36.53 → 22.79 "
        "(GoogLeNet), but 18.35 → 19.96 (ResNet-50).",
    )


def first_layers(tables: Tables, pairs: Pairs) -> Finding:
    """Whether first-layer filters have smoother counterparts in the robust network."""
    table = tables.get("filter_matches")
    answers = []
    for pair in pairs if table is not None else ():
        own = table[table["pair"] == pair]
        if own.empty:
            continue
        smoother = int((own["tv_difference"] > 0).sum())
        low, high = wilson(smoother, len(own))
        strong = int((own["spearman"] >= 0.5).sum())
        typical = own["spearman"].median()
        answers.append(
            Answer(
                f"{pair}: the robust match is smoother for {smoother} of {len(own)} filters "
                f"({100 * smoother / len(own):.0f} % [{100 * low:.0f} to {100 * high:.0f}]); "
                f"median rank correlation {typical:.2f}, {strong} of at least 0.5.",
                (Difference(smoother / len(own) - 0.5, low - 0.5, high - 0.5).sign,),
            )
        )
    return finding("Do first-layer filters match smoother robust ones?", answers)


def activations(tables: Tables, pairs: Pairs, *, clean: str | None, noisy: str | None) -> Finding:
    """Whether noise roughens the activations of robust networks less."""
    table = tables.get("activation_tv")
    both = None
    if table is not None and clean and noisy:
        both = varying_channels(table, clean=clean, noisy=noisy)
    answers = []
    for pair, standard, robust in paired_rows(both, pairs):
        a, b = (np.log(side["noisy"] / side["clean"]).to_numpy() for side in (standard, robust))
        gap = difference_of_means(a, b)
        low, value, high = np.exp([-gap.high, -gap.value, -gap.low])
        answers.append(
            Answer(
                f"{pair}: noise multiplies a channel's total variation by {np.exp(a.mean()):.2f} "
                f"in the standard and by {np.exp(b.mean()):.2f} in the robust network (geometric "
                f"means; ratio {value:.2f} [{low:.2f} to {high:.2f}]).",
                (gap.sign,),
            )
        )
    return finding(
        "Are the activations of robust networks smoother under noise?",
        [*answers, *unpaired_answers(both, pairs, _noise_factor)],
    )


def _kernel_mean(own: pd.DataFrame) -> str:
    whole = own.loc[own["layer"] == "all", "mean_tv"]
    value = whole.iloc[0] if len(whole) else np.average(own["mean_tv"], weights=own["n_filters"])
    return f"mean total variation {value:.3g}"


def _noise_factor(own: pd.DataFrame) -> str:
    factor = np.exp(np.log(own["noisy"] / own["clean"]).mean())
    return f"noise multiplies a channel's total variation by {factor:.2f} (geometric mean)"
