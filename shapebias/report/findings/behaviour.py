"""Answers from what networks do: shape bias, and accuracy on distorted images."""

from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd

from shapebias.report.findings.verdicts import (
    Answer,
    Difference,
    Finding,
    description,
    difference_of_proportions,
    finding,
    percentage_points,
)
from shapebias.report.table_rows import accuracy_rows

Tables = Mapping[str, pd.DataFrame]
Pairs = Mapping[str, Mapping[str, str]]

# Kinds of image set, the question that they answer, the sign of robust less standard accuracy
# that is a yes, and what Chen, Agarwal and Nguyen published, from AlexNet, GoogLeNet and ResNet-50.
GROUPS = (
    (
        ("clean",),
        "Do robust networks pay with accuracy on clean images?",
        -1,
        "on ImageNet, 56.52 → 39.83 %, 69.78 → 43.57 % and 76.13 → 57.90 %.",
    ),
    (
        ("attack",),
        "Are robust networks more accurate under attack?",
        1,
        "under PGD, 0.18 → 22.27 %, 0.08 → 31.23 % and 0.35 → 36.11 %.",
    ),
    (
        ("scramble",),
        "Do robust networks lose more when structure is destroyed (scrambled images)?",
        -1,
        "34.59 → 16.92 %, 49.74 → 31.15 % and 58.04 → 34.46 %.",
    ),
    (
        ("stylize",),
        "Do robust networks keep more when texture is replaced (stylized images)?",
        1,
        "not throughout: 6.31 → 9.11 %, 13.74 → 12.54 % and 10.68 → 15.62 %.",
    ),
    (
        ("black_and_white", "silhouette"),
        "Do robust networks keep more when only shape is left (black and white, silhouettes)?",
        1,
        "black and white, 20.08 → 35.25 %, 43.48 → 44.55 % and 16.96 → 53.89 %; silhouettes, "
        "7.72 → 9.30 %, 10.17 → 24.12 % and 3.95 → 22.30 %.",
    ),
    (("noise",), "Do robust networks keep more under noise?", 1, ""),
)
OTHERS = "How do standard and robust networks compare on the other image sets?"


def shape_biases(tables: Tables, pairs: Pairs) -> Finding:
    """Whether robust networks are more shape-biased."""
    table = tables.get("shape_bias", pd.DataFrame(columns=["model", "image_set", "class"]))
    pooled = table[table["class"] == "all"]
    answers = []
    for image_set, rows in pooled.groupby("image_set", sort=False):
        own = rows.set_index("model")
        answers += [_biases(pair, sides, own, image_set) for pair, sides in pairs.items()]
        paired = {model for sides in pairs.values() for model in sides.values()}
        answers += [
            Answer(f"{model} (in no pair): shape bias {_bias(own.loc[model])} ({image_set}).")
            for model in own.index
            if model not in paired
        ]
    return finding(
        "Are robust networks more shape-biased?",
        [answer for answer in answers if answer],
        published="Shape bias 26.39 → 65.32 % (AlexNet), 25.08 → 65.56 % (GoogLeNet) and "
        "22.20 → 70.36 % (ResNet-50), standard → robust.",
    )


def distorted_images(
    tables: Tables, pairs: Pairs, *, clean: str | None, kinds: Mapping[str, str]
) -> Iterator[Finding]:
    """How the networks do on each kind of image set."""
    table = tables.get("accuracy")
    sets = [] if table is None else list(dict.fromkeys(table["image_set"]))
    kind_of = {name: "clean" if name == clean else kinds.get(name, "other") for name in sets}
    for group, question, yes, published in GROUPS:
        own = [name for name in sets if kind_of[name] in group]
        answers = _accuracies(table, pairs, own, clean, yes) if own else []
        yield finding(
            question, answers, published=published and f"Top-1, standard → robust: {published}"
        )
    known = {kind for group, *_ in GROUPS for kind in group}
    rest = [name for name in sets if kind_of[name] not in known]
    if rest:
        yield description(OTHERS, _accuracies(table, pairs, rest, clean, 1))


def _biases(
    pair: str, sides: Mapping[str, str], own: pd.DataFrame, image_set: str
) -> Answer | None:
    if not {sides["standard"], sides["robust"]} <= set(own.index):
        return None
    standard, robust = own.loc[sides["standard"]], own.loc[sides["robust"]]
    if not np.isfinite([standard["shape_bias"], robust["shape_bias"]]).all():
        text = "one network decides no image by shape or texture, so the two cannot be compared"
        return Answer(f"{pair}: {text}.", (0,))
    gap = _gap(robust, standard, value="shape_bias", low="low", high="high")
    return Answer(
        f"{pair}: standard {_bias(standard)}, robust {_bias(robust)}; a difference of "
        f"{percentage_points(gap)} ({image_set}).",
        (gap.sign,),
    )


def _bias(row: pd.Series) -> str:
    if not np.isfinite(row["shape_bias"]):
        return "undefined (no decision by shape or texture)"
    ends = f"{100 * row['low']:.1f} to {100 * row['high']:.1f}"
    return f"{100 * row['shape_bias']:.1f} % [{ends}]"


def _accuracies(
    table: pd.DataFrame, pairs: Pairs, sets: list[str], clean: str | None, yes: int
) -> list[Answer]:
    """One sentence a pair on some image sets, then one a network in no pair."""
    answers = []
    for pair, sides in pairs.items():
        rows = accuracy_rows(table, pair, clean)
        own = {side: rows[rows["model"] == model] for side, model in sides.items()}
        answers.append(_pair_on_sets(pair, own, sets, yes))
    paired = {model for sides in pairs.values() for model in sides.values()}
    unpaired = table[(table["selection"] == "all") & ~table["model"].isin(paired)]
    for model, rows in unpaired.groupby("model", sort=False):
        top1 = rows.set_index("image_set")["top1"]
        texts = [f"{name} {100 * top1[name]:.1f} %" for name in sets if name in top1]
        answers += [Answer(f"{model} (in no pair): {', '.join(texts)}.")] if texts else []
    return [answer for answer in answers if answer]


def _pair_on_sets(
    pair: str, own: Mapping[str, pd.DataFrame], sets: list[str], yes: int
) -> Answer | None:
    texts, signs = [], []
    # The clean set itself is scored on all its images.
    alike = set(own["standard"].loc[own["standard"]["image_set"].isin(sets), "selection"]) == {pair}
    counted = ", on images that both label correctly when clean" if alike else ""
    standard, robust = (own[side].set_index("image_set") for side in ("standard", "robust"))
    for name in sets:
        if name not in standard.index or name not in robust.index:
            continue
        a, b = robust.loc[name], standard.loc[name]
        if not np.isfinite([a["top1"], b["top1"]]).all():
            continue
        gap = _gap(a, b, value="top1", low="top1_low", high="top1_high")
        texts.append(
            f"{name} {100 * b['top1']:.1f} → {100 * a['top1']:.1f} % ({percentage_points(gap)})"
        )
        signs.append(yes * gap.sign)
    return (
        Answer(f"{pair}, standard → robust{counted}: {'; '.join(texts)}.", tuple(signs))
        if texts
        else None
    )


def _gap(a: pd.Series, b: pd.Series, *, value: str, low: str, high: str) -> Difference:
    return difference_of_proportions(a[value], (a[low], a[high]), b[value], (b[low], b[high]))
