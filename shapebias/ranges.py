"""Ranges of allowed numbers, declared once, beside the setting of a plug-in that they limit."""

import math
from dataclasses import dataclass
from fractions import Fraction


@dataclass(frozen=True, kw_only=True)
class Range:
    """Finite numbers between two bounds, written as ``eps: Annotated[float, Range(ge=0)]``.

    Study files are checked before any plug-in is imported, by reading its source code: so write
    the bounds as literal numbers, not as names.

    Parameters
    ----------
    ge, le
        Inclusive bounds: greater or equal, less or equal.
    gt, lt
        Exclusive bounds: greater than, less than.
    step
        Allowed numbers are the multiples of this.
    """

    ge: float | None = None
    le: float | None = None
    gt: float | None = None
    lt: float | None = None
    step: float | None = None

    def error(self, value: float) -> str | None:
        """Describe why a number is not allowed and which one nearby is; None if it is allowed.

        Examples
        --------
        >>> Range(ge=0).error(-1)
        '-1 is not at least 0; the nearest allowed value is 0'
        """
        if self._allows(value):
            return None
        nearest = self._nearest(value)
        advice = "" if nearest is None else f"; the nearest allowed value is {nearest:g}"
        return f"{value} is not {self}{advice}"

    def __str__(self) -> str:
        bounds = {"at least": self.ge, "above": self.gt, "at most": self.le, "below": self.lt}
        words = [f"{word} {bound:g}" for word, bound in bounds.items() if bound is not None]
        if self.step is not None:
            words.append(f"a multiple of {Fraction(self.step).limit_denominator()}")
        return " and ".join(words)

    def _allows(self, value: float) -> bool:
        # Every comparison must be true, so that NaN is refused.
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
        return nearest if self._allows(nearest) else None


def distance_error(norm: str, value: float, side: int | None = None) -> str | None:
    """Describe a distance that no two images exceed; None if the distance is smaller.

    Parameters
    ----------
    norm
        "l2" or "linf".
    value
        Radius of an attack's ball, or length of its step, for pixels in [0, 1].
    side
        Side of the images in pixels. None where it is unknown; then every L2 distance is allowed.

    Examples
    --------
    >>> distance_error("linf", 8)
    '8 reaches every image, as pixels are in [0, 1]; did you mean 8/255 = 0.0313725?'
    """
    if norm == "linf":
        largest, reason = 1.0, "every image, as pixels are in [0, 1]"
    elif side is not None:
        largest = math.sqrt(3) * side
        reason = f"every image of {side} pixels, as no two are {largest:.1f} apart"
    else:
        return None
    if value < largest:
        return None
    guess = f"; did you mean {value:g}/255 = {value / 255:.6g}?" if value < 255 * largest else ""
    return f"{value:g} reaches {reason}{guess}"


def colour_error(name: str, values: object) -> str | None:
    """Describe why a setting is not a `mean` or `std` of pixels in [0, 1]; None if it is one.

    Examples
    --------
    >>> colour_error("mean", [123.7, 116.3, 103.5])
    '[123.7, 116.3, 103.5] is outside [0, 1], the range of pixels; divide it by 255'
    """
    if (
        not isinstance(values, list | tuple)
        or len(values) != 3
        or not all(isinstance(value, int | float) for value in values)
        or any(isinstance(value, bool) for value in values)
    ):
        return f"{values} is not a list of three numbers, one for each of red, green and blue"
    bound = "gt" if name == "std" else "ge"
    limits, limits_of_bytes = (Range(le=largest, **{bound: 0}) for largest in (1, 255))
    if not any(map(limits.error, values)):
        return None
    if not any(map(limits_of_bytes.error, values)):
        return f"{values} is outside [0, 1], the range of pixels; divide it by 255"
    return f"{values} is not three numbers {limits}"
