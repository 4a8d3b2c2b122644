"""Confidence intervals of proportions, means and paired differences over a sample of images."""

import math

import numpy as np
from jaxtyping import Float, Int
from scipy.special import ndtri, stdtrit

from shapebias.errors import ShapebiasError
from shapebias.seeds import generator_of


def wilson(successes: float, trials: int, *, confidence: float = 0.95) -> tuple[float, float]:
    """Compute the Wilson score interval of a proportion; NaN, NaN without trials.

    Parameters
    ----------
    successes
        Number of successes, or the mean of several such numbers over the same trials. The mean
        outcome of a trial is then between 0 and 1 and varies no more than an outcome of 0 or 1,
        so that the interval is never too narrow.
    trials
        Number of trials.
    confidence
        Probability that the interval should cover.

    References
    ----------
    .. [1] Wilson (1927). Probable inference, the law of succession, and statistical inference.
       JASA 22(158). :DOI:`10.1080/01621459.1927.10502953`

    Examples
    --------
    >>> low, high = wilson(56, 70)
    >>> f"{low:.3f} to {high:.3f}"
    '0.692 to 0.877'
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
    values: Float[np.ndarray, " value"], *, confidence: float = 0.95
) -> tuple[float, float]:
    """Compute the mean of a sample and half the width of its Student's t interval.

    The half width is infinite for fewer than two values, whose spread is unknown.

    References
    ----------
    .. [1] Student (1908). The probable error of a mean. Biometrika 6(1).
       :DOI:`10.1093/biomet/6.1.1`

    Examples
    --------
    >>> mean, margin = mean_margin(np.arange(1.0, 5.0))
    >>> f"{mean:.1f} ± {margin:.2f}"
    '2.5 ± 2.05'
    """
    mean, n = float(np.mean(values)), len(values)
    if n < 2:
        return mean, math.inf
    standard_error = float(np.std(values, ddof=1)) / math.sqrt(n)
    return mean, standard_error * float(stdtrit(n - 1, 0.5 + confidence / 2))


def paired_bootstrap(
    a: Float[np.ndarray, " image"],
    b: Float[np.ndarray, " image_of_b"],
    *,
    seed: int,
    resamples: int,
    confidence: float = 0.95,
) -> tuple[float, float, float]:
    """Compute the difference of two proportions over the same images, and its interval.

    Parameters
    ----------
    a, b
        Outcome of each image, paired by position: 1 or 0, or NaN where the image does not count
        for that proportion (as an image labelled by neither its shape nor its texture).
    seed
        Seed of the resampling.
    resamples
        Number of samples of the images, drawn with replacement.
    confidence
        Probability that the percentile interval should cover.

    Returns
    -------
    ``mean(a) - mean(b)``, each over the outcomes that count, and the interval's ends. NaN if no
    outcome of one side counts.

    Raises
    ------
    ShapebiasError
        If `a` and `b` differ in length, or an outcome is not 0, 1 or NaN.

    Notes
    -----
    An image has one of nine pairs of outcomes, and only their counts matter. Drawing n images
    with replacement is one multinomial draw of those counts, which is exact and needs no memory.
    """
    counts = _pair_counts(a, b)
    n_images = int(counts.sum())
    difference = float(_difference(counts[None])[0])
    if math.isnan(difference):
        return math.nan, math.nan, math.nan
    draws = generator_of("paired bootstrap", seed).multinomial(
        n_images, counts.ravel() / n_images, size=resamples
    )
    tail = (1 - confidence) / 2
    low, high = np.nanquantile(_difference(draws.reshape(-1, 3, 3)), [tail, 1 - tail])
    return difference, float(low), float(high)


def _pair_counts(
    a: Float[np.ndarray, " image"], b: Float[np.ndarray, " image_of_b"]
) -> Int[np.ndarray, "outcome_a=3 outcome_b=3"]:
    if len(a) != len(b):
        raise ShapebiasError(
            f"paired outcomes of {len(a)} and {len(b)} images: give one outcome of each image"
        )
    counts = np.zeros((3, 3), dtype=np.int64)
    np.add.at(counts, (_outcome_index(a), _outcome_index(b)), 1)
    return counts


def _outcome_index(outcomes: Float[np.ndarray, " image"]) -> Int[np.ndarray, " image"]:
    """Index of each outcome: 0 and 1 for themselves, 2 for one that does not count."""
    missing = np.isnan(outcomes)
    if not np.isin(outcomes[~missing], (0.0, 1.0)).all():
        raise ShapebiasError("outcomes of a proportion must be 0, 1 or NaN")
    return np.where(missing, 2, outcomes).astype(np.int64)


def _difference(
    counts: Int[np.ndarray, "draw outcome_a=3 outcome_b=3"],
) -> Float[np.ndarray, " draw"]:
    """Difference of the two proportions in each draw."""
    counts_a, counts_b = counts.sum(axis=2), counts.sum(axis=1)
    with np.errstate(invalid="ignore"):
        share_a = counts_a[:, 1] / counts_a[:, :2].sum(axis=1)
        return share_a - counts_b[:, 1] / counts_b[:, :2].sum(axis=1)
