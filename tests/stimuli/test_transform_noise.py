"""The tabulated noise equals rounded Gaussian noise in distribution."""

import numpy as np
import pytest
from scipy.special import ndtr

from shapebias.plugins import build


@pytest.mark.parametrize("sd", [0.01, 0.08, 0.2])
def test_levels_have_the_frequencies_of_the_gaussian(sd):
    grey = np.full((700, 700, 3), 127, np.uint8)
    noisy, _ = build("transforms", kind="noise", sd=sd)(grey, rng=np.random.default_rng(0))
    levels = np.arange(1, 255)
    counts = np.bincount(noisy.ravel(), minlength=256)[1:255]
    upper, lower = (ndtr((levels - 127 + half) / (255 * sd)) for half in (0.5, -0.5))
    expected = noisy.size * (upper - lower)
    frequent = expected > 5
    departure = ((counts - expected)[frequent] ** 2 / expected[frequent]).sum()
    degrees = frequent.sum()
    # Five standard deviations of the chi-squared distribution.
    assert abs(departure - degrees) < 5 * np.sqrt(2 * degrees)


def test_zero_noise_leaves_the_image_unchanged():
    pixels = np.random.default_rng(0).integers(0, 256, (30, 20, 3), dtype=np.uint8)
    unchanged, _ = build("transforms", kind="noise", sd=0.0)(pixels, rng=np.random.default_rng(0))
    assert np.array_equal(unchanged, pixels)
