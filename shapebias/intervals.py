"""Intervals: how far a count over a sample of images can be from the truth."""

import math

import numpy as np
from jaxtyping import Float
from scipy.special import ndtri, stdtrit

from shapebias.errors import ShapebiasError
from shapebias.seeds import generator_of


def wilson(successes: int | float, trials: int, *, confidence: float = 0.95) -> tuple[float, float]:
    """Wilson score interval of a proportion; NaN, NaN where there is no trial.

    Successes can be a mean of counts over the same trials: a trial's mean then lies between 0 and
    1, and varies no more than a yes or no does, so that the interval is never too narrow.

    References
    ----------
    .. [1] Wilson (1927). Probable inference, the law of succession, and statistical inference.
       JASA 22(158). :DOI:`10.1080/01621459.1927.10502953`
    """
    if trials == 0:
        return math.nan, math.nan
    z = float(ndtri(0.5 + confidence / 2))
    proportion = successes / trials
    centre = proportion + z**2 / (2 * trials)
    margin = z * math.sqrt(proportion * (1 - proportion) / trials + z**2 / (4 * trials**2))
    scale = 1 + z**2 / trials
    # Rounding must not push the bound of 0 or n successes past 0 or 1.
    low = 0.0 if successes == 0 else (centre - margin) / scale
    high = 1.0 if successes == trials else (centre + margin) / scale
    return low, high


def mean_margin(
    values: Float[np.ndarray, " channel"], *, confidence: float = 0.95
) -> tuple[float, float]:
    """Mean of a sample, and half the length of its interval by Student's t.

    The half is infinite for fewer than two values, which tell nothing of their spread.

    References
    ----------
    .. [1] Student (1908). The probable error of a mean. Biometrika 6(1).
       :DOI:`10.1093/biomet/6.1.1`
    """
    mean, n = float(np.mean(values)), len(values)
    if n < 2:
        return mean, math.inf
    error = float(np.std(values, ddof=1)) / math.sqrt(n)
    return mean, error * float(stdtrit(n - 1, 0.5 + confidence / 2))


def paired_bootstrap(
    a: Float[np.ndarray, " image"],
    b: Float[np.ndarray, " _"],
    *,
    seed: int,
    resamples: int,
    confidence: float = 0.95,
) -> tuple[float, float, float]:
    """Difference of two proportions over the same images, with its percentile interval.

    Parameters
    ----------
    a, b
        Outcome of each image, paired by position: 1 or 0, or NaN where it counts for neither side
        of that proportion (as an image given neither its shape nor its texture class).
    seed
        Of the resampling.
    resamples
        Number of samples of the images, drawn with replacement.
    confidence
        Probability that the interval should cover.

    Returns
    -------
    ``mean(a) - mean(b)``, each over its own outcomes, and the interval's ends. NaN where one has
    no outcome at all.

    Notes
    -----
    An image has one of nine pairs of outcomes, and only their counts matter. Drawing n images
    with replacement is one multinomial draw of those counts, which is exact and needs no memory.
    """
    counts = _pair_counts(a, b)
    total = int(counts.sum())
    difference = float(_difference(counts[None])[0])
    if math.isnan(difference):
        return math.nan, math.nan, math.nan
    draws = generator_of("paired bootstrap", seed).multinomial(
        total, counts.ravel() / total, size=resamples
    )
    tail = (1 - confidence) / 2
    ends = np.nanquantile(_difference(draws.reshape(-1, 3, 3)), [tail, 1 - tail])
    return difference, float(ends[0]), float(ends[1])


def _pair_counts(a: Float[np.ndarray, " image"], b: Float[np.ndarray, " _"]) -> np.ndarray:
    if len(a) != len(b):
        raise ShapebiasError(f"paired outcomes of {len(a)} and {len(b)} images")
    counts = np.zeros((3, 3), dtype=np.int64)
    np.add.at(counts, (_codes(a), _codes(b)), 1)
    return counts


def _codes(outcomes: Float[np.ndarray, " image"]) -> np.ndarray:
    """0 and 1 as they are, 2 for an outcome that does not count."""
    missing = np.isnan(outcomes)
    if not np.isin(outcomes[~missing], (0.0, 1.0)).all():
        raise ShapebiasError("outcomes of a proportion must be 0, 1 or NaN")
    return np.where(missing, 2, outcomes).astype(np.int64)


def _difference(counts: np.ndarray) -> np.ndarray:
    """Difference of the proportions for each (draw, outcome of a, outcome of b)."""
    of_a, of_b = counts.sum(axis=2), counts.sum(axis=1)
    with np.errstate(invalid="ignore"):
        return of_a[:, 1] / of_a[:, :2].sum(axis=1) - of_b[:, 1] / of_b[:, :2].sum(axis=1)
