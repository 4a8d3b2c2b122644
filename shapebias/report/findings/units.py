"""Answers from what the units of networks detect, and which of them decide."""

import math
from collections.abc import Mapping

import pandas as pd

from shapebias.ablation.by_category import CUES
from shapebias.dissection.detectors import DETECTOR_IOU
from shapebias.intervals import wilson
from shapebias.report.findings.verdicts import (
    Answer,
    Finding,
    description,
    difference_of_means,
    difference_of_proportions,
    finding,
    percentage_points,
    unpaired_answers,
)
from shapebias.report.table_rows import paired_rows
from shapebias.stimuli.concept_categories import category_rank

Tables = Mapping[str, pd.DataFrame]
Pairs = Mapping[str, Mapping[str, str]]

# A proportion, and the ends of its interval.
Share = tuple[float, tuple[float, float]]

CAVEAT = (
    "Of a network's two kinds of decision the rarer are often the closer ones, which any silenced "
    "unit turns over more easily: neither shares nor images tell on which cue its units act."
)

# What the paper calls simple: what a unit can see without the form of a thing.
SIMPLE = ("color", "texture")


def categories(tables: Tables, pairs: Pairs) -> Finding:
    """Whether more units of robust networks detect colours and textures.

    A difference counts where the network that has more of them has more than chance gives.
    """
    labels, controls = tables.get("dissection"), tables.get("dissection_controls")
    answers = []
    for pair, standard, robust in paired_rows(labels, pairs):
        changes = [_change(name, standard, robust, controls) for name in SIMPLE]
        others = [
            f"{name} {_hits(standard, name)[0]} → {_hits(robust, name)[0]}"
            for name in sorted(set(labels["category"]) - set(SIMPLE), key=category_rank)
        ]
        text = "; ".join([text for text, _ in changes] + others)
        size = f"of {_from_to(len(standard), len(robust))} channels, standard → robust"
        answers.append(Answer(f"{pair}, {size}: {text}.", tuple(sign for _, sign in changes)))
    return finding(
        f"Do more units of robust networks detect colours and textures (IoU ≥ {DETECTOR_IOU:g})?",
        [*answers, *unpaired_answers(labels, pairs, lambda own: _counts(own, controls))],
        published="Channels whose label, at any IoU, is a colour, texture or object change by "
        "+117, +7 and −28 % (AlexNet), and by +102, +34 and −20 % (GoogLeNet; parts −26 %).",
    )


def diversities(tables: Tables, pairs: Pairs) -> Finding:
    """Whether units of robust networks detect fewer concepts each.

    A difference counts where the network of the higher mean is above what chance gives.
    """
    labels, controls = tables.get("dissection"), tables.get("dissection_controls")
    answers = []
    for pair, standard, robust in paired_rows(labels, pairs):
        a, b = (side["diversity"].to_numpy(float) for side in (standard, robust))
        gap = difference_of_means(b, a)
        ends = f"{gap.value:+.2f} [{gap.low:+.2f} to {gap.high:+.2f}]".replace("-", "−")
        text = f"{_diversity(standard, controls)} → {_diversity(robust, controls)} ({ends})"
        higher, own = (robust, b) if gap.value > 0 else (standard, a)
        chance = [rows["diversity"].to_numpy(float) for rows in _controls(higher, controls)]
        above = all(difference_of_means(own, one).sign > 0 for one in chance)
        text += "" if above else "; the higher mean is not above chance"
        sign = -gap.sign if above else 0
        answers.append(Answer(f"{pair}, concepts a channel, standard → robust: {text}.", (sign,)))
    return finding(
        "Do units of robust networks detect fewer concepts each?",
        [
            *answers,
            *unpaired_answers(
                labels, pairs, lambda own: f"concepts a channel {_diversity(own, controls)}"
            ),
        ],
        published="Mean diversity 26.07 (standard) and 22.43 (robust).",
    )


def beyond_chance(tables: Tables, pairs: Pairs) -> Finding:
    """Whether more units detect a concept than in networks that have learnt nothing."""
    table, controls = tables.get("dissection"), tables.get("dissection_controls")
    answers = []
    for model, own in (
        () if table is None or controls is None else table.groupby("model", sort=False)
    ):
        chance = {rows["control"].iloc[0]: _hits(rows) for rows in _controls(own, controls)}
        if not chance:
            continue
        most = max(chance, key=lambda control: chance[control])
        gap = difference_of_proportions(*_share(*_hits(own)), *_share(*chance[most]))
        counts = ", ".join(f"{control} {hits}" for control, (hits, _) in chance.items())
        text = f"{model}, of {len(own)} channels: trained {_hits(own)[0]}, {counts}"
        answers.append(Answer(f"{text} ({percentage_points(gap)} against {most}).", (gap.sign,)))
    return finding(
        f"Do more units detect a concept (IoU ≥ {DETECTOR_IOU:g}) than chance gives, with weights "
        "drawn anew (random) or permuted (shuffled)?",
        answers,
    )


def ablations(tables: Tables, pairs: Pairs) -> Finding:
    """What the silencing of one unit costs, in shares of both kinds of decision.

    There is no verdict: scores would restate the shape bias, as who decides by shape has more such
    decisions to lose, and shares would restate it turned about, as decisions by the cue that seldom
    wins are close ones, whatever the units act on.
    """
    table = tables.get("ablation")
    names = {
        sides[side]: f"{pair}, {side}"
        for pair, sides in pairs.items()
        for side in ("standard", "robust")
    }
    groups = [] if table is None else table.groupby("model", sort=False)
    answers = [Answer(f"{names.get(model, model)}: {_losses(own)}.") for model, own in groups]
    return description(
        "What does silencing a unit cost a network?",
        [*answers, *([Answer(CAVEAT)] if answers else [])],
        published="One unit in detail, in images: AlexNet's conv4 channel 19 has Shape score 18, "
        "Texture score 22.",
    )


def _controls(own: pd.DataFrame, controls: pd.DataFrame | None) -> list[pd.DataFrame]:
    """Rows of each control of one network."""
    if controls is None:
        return []
    same = controls[controls["model"] == own["model"].iloc[0]]
    return [rows for _, rows in same.groupby("control", sort=False)]


def _hits(own: pd.DataFrame, category: str | None = None) -> tuple[int, int]:
    """Channels whose label (of a category) reaches the strict cut, and all channels."""
    met = own["iou"] >= DETECTOR_IOU
    return int((met if category is None else met & (own["category"] == category)).sum()), len(own)


def _share(hits: float, total: int) -> Share:
    """A proportion with its interval."""
    return (hits / total if total else math.nan), wilson(hits, total)


def _change(
    category: str, standard: pd.DataFrame, robust: pd.DataFrame, controls: pd.DataFrame | None
) -> tuple[str, int]:
    """Detectors of a category in two networks, in words, and the sign of what can be told."""
    sides = [_hits(side, category) for side in (standard, robust)]
    gap = difference_of_proportions(*_share(*sides[1]), *_share(*sides[0]))
    text = f"{category} {sides[0][0]} → {sides[1][0]} ({percentage_points(gap)}"
    chance = [
        [_hits(rows, category) for rows in _controls(s, controls)] for s in (standard, robust)
    ]
    if not all(chance):
        return text + ")", gap.sign
    most = [max(found) for found in chance]
    text += f"; by chance up to {most[0][0]} → {most[1][0]}"
    more = int(gap.value > 0)
    if difference_of_proportions(*_share(*sides[more]), *_share(*most[more])).sign > 0:
        return text + ")", gap.sign
    return text + ": not above chance)", 0


def _from_to(before: int, after: int) -> str:
    return f"{before}" if before == after else f"{before} → {after}"


def _counts(own: pd.DataFrame, controls: pd.DataFrame | None) -> str:
    counts = []
    for name in sorted(own["category"].unique(), key=category_rank):
        chance = [_hits(rows, name)[0] for rows in _controls(own, controls)]
        by_chance = f" (by chance up to {max(chance)})" if chance else ""
        counts.append(f"{name} {_hits(own, name)[0]}{by_chance}")
    return f"of {len(own)} channels {', '.join(counts)}"


def _diversity(own: pd.DataFrame, controls: pd.DataFrame | None) -> str:
    chance = [
        f"{rows['control'].iloc[0]} {rows['diversity'].mean():.2f}"
        for rows in _controls(own, controls)
    ]
    by_chance = f" (by chance: {', '.join(chance)})" if chance else ""
    return f"{own['diversity'].mean():.2f}{by_chance}"


def _losses(own: pd.DataFrame) -> str:
    """What one silenced channel costs a network on average."""
    shares, scores = [], []
    for cue in CUES:
        total, score = own[f"n_{cue}"].iloc[0], own[f"{cue}_score"].mean()
        share = f"{100 * score / total:.1f} % of " if total else ""
        shares.append(f"{share}{total:,} {cue} decisions")
        scores.append(f"{cue.capitalize()} score {score:.2f}")
    lost = f"mean of {len(own)} channels {' and '.join(shares)}"
    return f"{lost} (in images, {', '.join(scores)})"
