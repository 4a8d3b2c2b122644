"""Differences, their intervals and their verdicts, from which questions are answered."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float

from shapebias.intervals import mean_margin
from shapebias.io.table_schemas import TABLES
from shapebias.report.table_rows import Pairs

YES, NO, MIXED, UNCLEAR = "yes", "no", "mixed", "unclear"
NO_PAIR, NOT_MEASURED, DESCRIBED = "no pair", "not measured", "described"

# Columns of one row of the table `findings`, without those of its question. Without a verdict it
# describes a pair, or a network in no pair.
Answer = dict[str, Any]


@dataclass(frozen=True)
class Measurements:
    """Tables of a study, and what its settings say about networks and image sets.

    Parameters
    ----------
    tables
        Public tables by name; a table that is absent or empty was not measured.
    pairs
        Pair to its `standard` and `robust` network.
    clean
        Clean image set of the accuracies.
    noise
        Clean and noisy image set of the activations' total variation.
    kinds
        Image set to the kind of its transform, or "attack".
    """

    tables: Mapping[str, pd.DataFrame]
    pairs: Pairs
    clean: str | None = None
    noise: tuple[str, str] | None = None
    kinds: Mapping[str, str] = field(default_factory=dict)

    def table(self, name: str) -> pd.DataFrame:
        """Public table; without rows if it was not measured."""
        columns = [column.name for column in TABLES[name].columns]
        return self.tables.get(name, pd.DataFrame(columns=columns))

    def unpaired(self, table: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
        """Name and rows of each network that is in no pair."""
        paired = {model for sides in self.pairs.values() for model in sides.values()}
        yield from table[~table["model"].isin(paired)].groupby("model", sort=False)


@dataclass(frozen=True)
class Difference:
    """A difference with its 95 % interval, in the unit of what differs."""

    value: float
    low: float
    high: float

    @property
    def sign(self) -> int:
        """1 or -1 if the interval is on one side of zero, else 0."""
        return int(self.low > 0) - int(self.high < 0)


def percent(fraction: float) -> float:
    """Percent, or percentage points, of a fraction."""
    return 100 * fraction


def comparison(
    gap: Difference, yes: int, *, scale: Callable[[float], float] = percent, **columns: Any
) -> Answer:
    """Answer from a difference.

    Parameters
    ----------
    gap
        Robust less standard.
    yes
        Sign of `gap` that means yes; 0 if it is only described.
    scale
        Function from the unit of `gap` to that of the table.
    columns
        Other columns of the row.
    """
    columns |= {name: scale(getattr(gap, name)) for name in ("low", "high")}
    return columns | {"difference": scale(gap.value), "verdict": verdict_of(yes * gap.sign, yes)}


def verdict_of(sign: int, yes: int) -> str:
    """Verdict of a comparison: `sign` is 1 for yes; without a `yes` it is described."""
    return {1: YES, -1: NO, 0: UNCLEAR}[sign] if yes else DESCRIBED


def combined_verdict(verdicts: Sequence[str]) -> str:
    """Verdict of several answers: yes or no only if all comparisons agree."""
    compared = {verdict for verdict in verdicts if verdict in (YES, NO, UNCLEAR)}
    if len(compared) > 1:
        return MIXED
    return next((v for v in (*compared, NO_PAIR, NOT_MEASURED) if v in verdicts), DESCRIBED)


def difference_of_proportions(
    a: float, a_interval: tuple[float, float], b: float, b_interval: tuple[float, float]
) -> Difference:
    """Difference of two proportions a - b over separate samples, from their Wilson intervals.

    References
    ----------
    .. [1] Newcombe (1998). Interval estimation for the difference between independent
       proportions: comparison of eleven methods. Statistics in Medicine 17, 873-890.
       :DOI:`10.1002/(SICI)1097-0258(19980430)17:8<873::AID-SIM779>3.0.CO;2-I`
    """
    value = a - b
    below = math.hypot(a - a_interval[0], b_interval[1] - b)
    above = math.hypot(a_interval[1] - a, b - b_interval[0])
    return Difference(value, value - below, value + above)


def difference_of_means(
    a: Float[np.ndarray, " channel"], b: Float[np.ndarray, " other_channel"]
) -> Difference:
    """Difference of two means a - b over separate samples, from their Student intervals."""
    (a_mean, a_margin), (b_mean, b_margin) = mean_margin(a), mean_margin(b)
    value, margin = a_mean - b_mean, math.hypot(a_margin, b_margin)
    return Difference(value, value - margin, value + margin)
