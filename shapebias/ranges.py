"""Numbers that a plug-in's setting may have, said once, beside the setting."""

import math
from dataclasses import dataclass
from fractions import Fraction


@dataclass(frozen=True, kw_only=True)
class Range:
    """Finite numbers between two bounds, written as ``eps: Annotated[float, Range(ge=0)]``.

    Those who read a study before anything is imported understand numbers here, and no names.

    Parameters
    ----------
    ge, le
        Bounds that are allowed themselves.
    gt, lt
        Bounds that are not.
    step
        What all must be multiples of.
    """

    ge: float | None = None
    le: float | None = None
    gt: float | None = None
    lt: float | None = None
    step: float | None = None

    def wrong(self, value: float) -> str | None:
        """What is wrong with a number, what is allowed, and the nearest that is; None if nothing.

        Examples
        --------
        >>> Range(ge=0).wrong(-1)
        '-1 is not at least 0; the nearest that is: 0'
        """
        # Written so that what is not a number fails.
        if self._fits(value):
            return None
        nearest = self._nearest(value)
        return f"{value} is not {self}" + (
            "" if nearest is None else f"; the nearest that is: {nearest:g}"
        )

    def __str__(self) -> str:
        bounds = (
            ("at least", self.ge),
            ("above", self.gt),
            ("at most", self.le),
            ("below", self.lt),
        )
        words = [f"{word} {bound:g}" for word, bound in bounds if bound is not None]
        if self.step is not None:
            words.append(f"a multiple of {Fraction(self.step).limit_denominator()}")
        return " and ".join(words)

    def _fits(self, value: float) -> bool:
        return (
            math.isfinite(value)
            and (self.ge is None or value >= self.ge)
            and (self.le is None or value <= self.le)
            and (self.gt is None or value > self.gt)
            and (self.lt is None or value < self.lt)
            and (self.step is None or value % self.step == 0)
        )

    def _nearest(self, value: float) -> float | None:
        if math.isnan(value):
            return None
        low = -math.inf if self.ge is None else self.ge
        high = math.inf if self.le is None else self.le
        nearest = min(max(value, low), high)
        if self.step is not None and math.isfinite(nearest):
            nearest = round(nearest / self.step) * self.step
        return nearest if self._fits(nearest) else None


def distance_error(norm: str, value: float, side: int | None = None) -> str | None:
    """What is wrong with a distance between images of pixels in [0, 1]; None if nothing.

    Parameters
    ----------
    norm
        "l2" or "linf".
    value
        Radius of an attack's ball, or length of its step.
    side
        Of the images, in pixels, where it is known: without it any L2 distance may be right.

    Examples
    --------
    >>> distance_error("linf", 8)
    '8 reaches every image, as pixels are in [0, 1]; did you mean 8/255 = 0.0313725?'
    """
    if norm == "linf":
        farthest, every = 1.0, "every image"
    elif side is not None:
        farthest = math.sqrt(3) * side
        every = f"every image of {side} pixels, as no two are {farthest:.1f} apart"
    else:
        return None
    if value < farthest:
        return None
    said = f"{value:g} reaches {every}" + (", as pixels are in [0, 1]" if norm == "linf" else "")
    meant = f"; did you mean {value:g}/255 = {value / 255:.6g}?"
    return said + (meant if value < 255 * farthest else "")


def colour_error(name: str, values: object) -> str | None:
    """What is wrong with the `mean` or `std` of pixels in [0, 1]; None if nothing.

    Examples
    --------
    >>> colour_error("mean", [123.7, 116.3, 103.5])
    '[123.7, 116.3, 103.5] is not of pixels in [0, 1]; divided by 255 it may be'
    """
    numbers = isinstance(values, list | tuple) and all(
        isinstance(one, int | float) and not isinstance(one, bool) for one in values
    )
    if not numbers or len(values) != 3:
        return f"{values} is not a list of three numbers, one for each of red, green and blue"
    bound = "gt" if name == "std" else "ge"
    if not any(Range(le=1, **{bound: 0}).wrong(one) for one in values):
        return None
    if all(Range(le=255, **{bound: 0}).wrong(one) is None for one in values):
        return f"{values} is not of pixels in [0, 1]; divided by 255 it may be"
    return f"{values} is not of three numbers {Range(le=1, **{bound: 0})}"
