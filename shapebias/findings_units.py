"""Answers from what the units of networks detect, and which of them decide."""

from collections.abc import Mapping

import pandas as pd

from shapebias.detectors import STRICT
from shapebias.selecting import both_of, change, counted
from shapebias.statistics import wilson
from shapebias.verdicts import (
    Answer,
    Difference,
    Finding,
    alone,
    finding,
    of_means,
    of_one_mean,
    of_proportions,
)

Tables = Mapping[str, pd.DataFrame]
Pairs = Mapping[str, Mapping[str, str]]

# What the paper calls simple: what a unit can see without the form of a thing.
SIMPLE = ("color", "texture")


def categories(tables: Tables, pairs: Pairs) -> Finding:
    """Whether more units of robust networks detect colours and textures."""
    table = tables.get("detectors")
    counts = None if table is None else counted(table, 0.0)
    answers = []
    for pair, standard, robust in both_of(counts, pairs):
        a, b = (side.set_index("category")["n_channels"] for side in (standard, robust))
        if not a.sum() or not b.sum():
            continue
        changes = [
            f"{name} {a[name]} → {b[name]} ({change(a[name], b[name])})"
            for name in a.index
            if name in b
        ]
        gap = of_proportions(*_simple_share(b), *_simple_share(a))
        answers.append(
            Answer(f"{pair}, channels standard → robust: {', '.join(changes)}.", (gap.sign,))
        )
    return finding(
        "Do more units of robust networks detect colours and textures?",
        [*answers, *alone(counts, pairs, _counts)],
        published="Detectors of colour, texture and object change by +117, +7 and −28 % (AlexNet), "
        "and by +102, +34 and −20 % (GoogLeNet; parts −26 %).",
    )


def diversities(tables: Tables, pairs: Pairs) -> Finding:
    """Whether units of robust networks detect fewer concepts each."""
    answers = []
    for pair, standard, robust in both_of(tables.get("dissection"), pairs):
        a, b = (side["diversity"].to_numpy(float) for side in (standard, robust))
        gap = of_means(b, a)
        text = f"{a.mean():.2f} → {b.mean():.2f} concepts a channel"
        ends = f"{gap.value:+.2f} [{gap.low:+.2f} to {gap.high:+.2f}]".replace("-", "−")
        answers.append(Answer(f"{pair}, standard → robust: {text} ({ends}).", (-gap.sign,)))
    return finding(
        "Do units of robust networks detect fewer concepts each?",
        [*answers, *alone(tables.get("dissection"), pairs, _diversity)],
        published="Mean diversity 26.07 (standard) and 22.43 (robust).",
    )


def beyond_chance(tables: Tables, pairs: Pairs) -> Finding:
    """Whether more units detect a concept than in networks that have learnt nothing."""
    table, twins = tables.get("dissection"), tables.get("dissection_twins")
    answers = []
    for model, own in () if table is None or twins is None else table.groupby("model", sort=False):
        strong = {"trained": _strong(own)}
        same = twins[twins["model"] == model]
        strong |= {twin: _strong(rows) for twin, rows in same.groupby("twin", sort=False)}
        if len(strong) == 1:
            continue
        trained, *chance = ((hits / total, wilson(hits, total)) for hits, total in strong.values())
        gap = of_proportions(*trained, *max(chance))
        counts = ", ".join(f"{name} {hits}" for name, (hits, _) in strong.items())
        answers.append(Answer(f"{model}, of {len(own)} channels: {counts}.", (gap.sign,)))
    return finding(
        f"Do more units detect a concept (IoU ≥ {STRICT:g}) than chance gives, with weights drawn "
        "anew (random) or permuted (shuffled)?",
        answers,
    )


def ablations(tables: Tables, pairs: Pairs) -> Finding:
    """Whether robust networks' units matter more to shape, and standard ones' more to texture."""
    by_category = tables.get("ablation_by_category")
    answers = []
    for pair, standard, robust in both_of(tables.get("ablation"), pairs):
        leans = [_lean(side) for side in (standard, robust)]
        texts = [
            f"{name} {_scores(own)}{_most_important(by_category, own)}"
            for name, own in (("standard", standard), ("robust", robust))
        ]
        signs = (-leans[0].sign, leans[1].sign)
        answers.append(Answer(f"{pair}: {'; '.join(texts)}.", signs))
    return finding(
        "Do robust networks' units matter more to shape decisions, and standard ones' to texture?",
        [*answers, *alone(tables.get("ablation"), pairs, _scores)],
        published="One unit in detail: AlexNet's conv4 channel 19 has Shape score 18, Texture "
        "score 22.",
    )


def _strong(own: pd.DataFrame) -> tuple[int, int]:
    """Channels whose label reaches the strict cut, and all channels."""
    return int((own["iou"] >= STRICT).sum()), len(own)


def _counts(own: pd.DataFrame) -> str:
    counts = zip(own["category"], own["n_channels"], strict=True)
    return "channels " + ", ".join(f"{category} {n}" for category, n in counts)


def _diversity(own: pd.DataFrame) -> str:
    return f"{own['diversity'].mean():.2f} concepts a channel"


def _scores(own: pd.DataFrame) -> str:
    gap = _lean(own)
    ends = f"{gap.value:+.2f} [{gap.low:+.2f} to {gap.high:+.2f}]".replace("-", "−")
    shape, texture = own["shape_score"].mean(), own["texture_score"].mean()
    return f"mean Shape score {shape:.2f} and Texture score {texture:.2f} (difference {ends})"


def _lean(own: pd.DataFrame) -> Difference:
    """Mean over channels of the Shape score less the Texture score, in images."""
    return of_one_mean((own["shape_score"] - own["texture_score"]).to_numpy(float))


def _most_important(by_category: pd.DataFrame | None, own: pd.DataFrame) -> str:
    if by_category is None:
        return ""
    rows = by_category[by_category["model"] == own["model"].iloc[0]]
    rows = rows[(rows["category"] != "all") & (rows["n_channels"] > 0)].set_index("category")
    if rows.empty:
        return ""
    shape, texture = (rows[f"mean_{cue}_score"].idxmax() for cue in ("shape", "texture"))
    return f", highest for {shape} units (Shape) and {texture} units (Texture)"


def _simple_share(counts: pd.Series) -> tuple[float, tuple[float, float]]:
    """Share of the channels whose label is a colour or texture, with its interval."""
    simple = int(counts[counts.index.isin(SIMPLE)].sum())
    total = int(counts[counts.index != "all"].sum())
    return simple / total, wilson(simple, total)
