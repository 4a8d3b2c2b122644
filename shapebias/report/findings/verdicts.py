"""How an answer is reached: intervals of differences, and what several answers say together."""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Float

from shapebias.intervals import mean_margin

YES, NO, MIXED, UNCLEAR = "yes", "no", "mixed", "unclear"
NO_PAIR, NOT_MEASURED, DESCRIBED = "no pair", "not measured", "described"


@dataclass(frozen=True)
class Difference:
    """A difference with its 95 % interval, in the unit of what differs."""

    value: float
    low: float
    high: float

    @property
    def sign(self) -> int:
        """1 or -1 where the interval lies on one side of zero, else 0."""
        return int(self.low > 0) - int(self.high < 0)


@dataclass(frozen=True)
class Answer:
    """A sentence, and the signs that it adds: 1 for yes, -1 for the opposite, 0 for unclear.

    A sentence without a sign describes, and a sentence on a network in no pair cannot answer.
    """

    text: str
    signs: tuple[int, ...] = ()


@dataclass(frozen=True)
class Finding:
    """A question, the sentences that answer it, what they say together, and what was published.

    The tally counts the comparisons that say yes, and the opposite, where not all say the same.
    """

    question: str
    answers: tuple[str, ...]
    verdict: str
    published: str = ""
    tally: str = ""

    @property
    def supports(self) -> bool | None:
        """Whether the study agrees with the question's yes; None where that cannot be said."""
        return {YES: True, NO: False}.get(self.verdict)


def finding(question: str, answers: Iterable[Answer], *, published: str = "") -> Finding:
    """A question with the verdict of its answers."""
    answers = list(answers)
    signs = [sign for answer in answers for sign in answer.signs]
    if not answers:
        return Finding(question, ("Not measured in this study.",), NOT_MEASURED, published)
    verdict = combined_verdict(signs) if signs else NO_PAIR
    yes, no = signs.count(1), signs.count(-1)
    counts = f"{yes} of {len(signs)} comparisons say yes" + (f", {no} the opposite" if no else "")
    tally = counts if verdict == MIXED else ""
    return Finding(question, tuple(answer.text for answer in answers), verdict, published, tally)


def description(question: str, answers: Iterable[Answer], *, published: str = "") -> Finding:
    """A question that asks how, not whether: its answers carry no verdict."""
    texts = tuple(answer.text for answer in answers)
    if not texts:
        return Finding(question, ("Not measured in this study.",), NOT_MEASURED, published)
    return Finding(question, texts, DESCRIBED, published)


def unpaired_answers(
    table: pd.DataFrame | None,
    pairs: Mapping[str, Mapping[str, str]],
    say: Callable[[pd.DataFrame], str],
) -> list[Answer]:
    """A sentence on each network in no pair."""
    if table is None:
        return []
    paired = {model for sides in pairs.values() for model in sides.values()}
    rest = table[~table["model"].isin(paired)]
    groups = rest.groupby("model", sort=False)
    return [Answer(f"{model} (in no pair): {say(own)}.") for model, own in groups]


def combined_verdict(signs: list[int]) -> str:
    """Verdict of several answers: all must agree for a yes or a no."""
    kinds = set(signs)
    if kinds == {1}:
        return YES
    if kinds == {-1}:
        return NO
    return UNCLEAR if kinds == {0} else MIXED


def difference_of_proportions(
    a: float, a_interval: tuple[float, float], b: float, b_interval: tuple[float, float]
) -> Difference:
    """Difference of two proportions a - b from their Wilson intervals.

    The two samples are taken as independent; over the same images the interval is too wide,
    never too narrow, as long as the two networks tend to be right on the same images.

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
    a: Float[np.ndarray, " channel"], b: Float[np.ndarray, " channel"]
) -> Difference:
    """Difference of two means a - b over separate samples, from their two intervals."""
    (mean, margin), (other, more) = mean_margin(a), mean_margin(b)
    value, both = mean - other, math.hypot(margin, more)
    return Difference(value, value - both, value + both)


def percentage_points(gap: Difference) -> str:
    """A difference of proportions in percentage points, with its interval."""
    text = f"{100 * gap.value:+.1f} points [{100 * gap.low:+.1f} to {100 * gap.high:+.1f}]"
    return text.replace("-", "−")
