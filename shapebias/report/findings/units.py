"""Answers from channels: what they detect, and what ablating one of them costs."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Float

from shapebias.ablation.by_category import CUES
from shapebias.dissection.detectors import DETECTOR_IOU
from shapebias.intervals import wilson
from shapebias.report.findings.answers import (
    UNCLEAR,
    Answer,
    Difference,
    Measurements,
    comparison,
    difference_of_means,
    difference_of_proportions,
    percent,
)
from shapebias.report.table_rows import paired_rows
from shapebias.stimuli.concept_categories import category_rank

# Values of the channels of one network.
Channels = Float[np.ndarray, "_"]

# Categories that the paper calls simple: a channel can detect them without the form of an object.
SIMPLE = ("color", "texture")


class Detectors(NamedTuple):
    """Number of channels that detect a concept, and of all channels."""

    n: int
    of: int

    @property
    def percent(self) -> float:
        """Share of the channels that detect."""
        return percent(self.n / self.of)

    def __sub__(self, other: "Detectors") -> Difference:
        """Difference of two shares; channels of two networks are separate samples."""
        return difference_of_proportions(
            self.n / self.of, wilson(*self), other.n / other.of, wilson(*other)
        )


def categories(study: Measurements, yes: int) -> Iterator[Answer]:
    """Share of channels that detect a concept of each category; colours and textures decide.

    A difference is unclear unless the network with more detectors has more than its randomised
    controls.
    """
    labels = study.table("dissection")
    names = sorted(set(labels["category"]), key=category_rank)
    for pair, *sides in paired_rows(labels, study.pairs):
        for category in (*SIMPLE, *(name for name in names if name not in SIMPLE)):
            decides = yes if category in SIMPLE else 0
            standard, robust = (_detectors(side, category) for side in sides)
            chance = [_chance(study, side, category) for side in sides]
            values = {"baseline": standard.percent, "value": robust.percent, "n": robust.of}
            if all(chance):
                values |= {"chance_baseline": chance[0].percent, "chance": chance[1].percent}
            measure = {"measure": f"{category} detectors", "unit": "points"}
            answer = comparison(robust - standard, decides, pair=pair, **measure, **values)
            more = int(answer["difference"] > 0)
            if decides and all(chance) and ((standard, robust)[more] - chance[more]).sign <= 0:
                answer["verdict"] = UNCLEAR
            yield answer
    for model, rows in study.unpaired(labels):
        for category in sorted(rows["category"].unique(), key=category_rank):
            detectors, control = _detectors(rows, category), _chance(study, rows, category)
            measure = {"measure": f"{category} detectors", "unit": "points"}
            values = {"value": detectors.percent, "n": detectors.of}
            values |= {"chance": control.percent} if control else {}
            yield {"model": model, **measure, **values}


def diversities(study: Measurements, yes: int) -> Iterator[Answer]:
    """Mean number of concepts that a channel detects.

    A difference is unclear unless the network of the higher mean is above each of its randomised
    controls.
    """
    labels = study.table("dissection")
    measure = {"measure": "concepts per channel", "unit": "concepts"}

    def controls_of(rows: pd.DataFrame) -> list[Channels]:
        return [control["diversity"].to_numpy(float) for control in _controls(study, rows)]

    def highest(controls: list[Channels]) -> float:
        return max((float(control.mean()) for control in controls), default=np.nan)

    for pair, *sides in paired_rows(labels, study.pairs):
        values = [side["diversity"].to_numpy(float) for side in sides]
        controls = [controls_of(side) for side in sides]
        columns = dict(zip(("baseline", "value"), (v.mean() for v in values), strict=True))
        columns |= {"chance_baseline": highest(controls[0]), "chance": highest(controls[1])}
        gap, n = difference_of_means(values[1], values[0]), len(values[1])
        answer = comparison(gap, yes, scale=float, pair=pair, n=n, **columns, **measure)
        more = int(gap.value > 0)
        if any(difference_of_means(values[more], c).sign <= 0 for c in controls[more]):
            answer["verdict"] = UNCLEAR
        yield answer
    for model, rows in study.unpaired(labels):
        values = {"value": rows["diversity"].mean(), "chance": highest(controls_of(rows))}
        yield {**measure, **values, "model": model, "n": len(rows)}


def beyond_chance(study: Measurements, yes: int) -> Iterator[Answer]:
    """Share of channels that detect a concept, in each network and its randomised controls.

    The control with the most detectors decides; the other is described.
    """
    for model, rows in study.table("dissection").groupby("model", sort=False):
        controls = {c["control"].iloc[0]: _detectors(c) for c in _controls(study, rows)}
        most = max(controls, key=lambda name: controls[name], default=None)
        for control, by_chance in controls.items():
            trained = _detectors(rows)
            values = {"baseline": by_chance.percent, "value": trained.percent, "n": trained.of}
            measure = {"measure": f"detectors, {control} → trained weights", "unit": "points"}
            decides = yes if control == most else 0
            yield comparison(trained - by_chance, decides, model=model, **measure, **values)


def ablations(study: Measurements, _: int) -> Iterator[Answer]:
    """Mean share of the decisions by shape, and by texture, that ablating one channel changes.

    There is no verdict. Numbers of images would restate the shape bias, as a network that decides
    by shape has more such decisions to lose. Shares would restate it the other way round, as
    decisions by the cue that seldom wins have smaller margins, whichever cue the channels encode.
    """
    for model, rows in study.table("ablation").groupby("model", sort=False):
        for cue in CUES:
            n, score = int(rows[f"n_{cue}"].iloc[0]), rows[f"{cue}_score"].mean()
            measure = f"{cue} decisions changed, mean over {len(rows):,} channels"
            value = percent(score / n) if n else np.nan
            yield {"model": model, "measure": measure, "value": value, "unit": "%", "n": n}


def _controls(study: Measurements, rows: pd.DataFrame) -> list[pd.DataFrame]:
    """Rows of each randomised control of a network, from the rows of the network."""
    controls = study.table("dissection_controls")
    controls = controls[controls["model"] == rows["model"].iloc[0]]
    return [control for _, control in controls.groupby("control", sort=False)]


def _detectors(rows: pd.DataFrame, category: str | None = None) -> Detectors:
    """Channels whose label, of a category or of any, reaches the IoU of a detector."""
    detects = rows["iou"] >= DETECTOR_IOU
    if category is not None:
        detects &= rows["category"] == category
    return Detectors(int(detects.sum()), len(rows))


def _chance(study: Measurements, rows: pd.DataFrame, category: str) -> Detectors | None:
    """Detectors in the control that has most of them; None without controls."""
    return max((_detectors(c, category) for c in _controls(study, rows)), default=None)
