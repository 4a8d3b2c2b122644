"""Gaussian blur by matrix products, compared with SciPy's."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter

from shapebias.plugins import build
from shapebias.stimuli.image_ops.gaussian import gaussian_blur


@settings(max_examples=40)
@given(
    rows=st.integers(1, 60),
    columns=st.integers(1, 60),
    sigma=st.floats(0, 80),
    truncate=st.sampled_from([3.0, 4.0]),
    seed=st.integers(0, 2**32),
)
def test_equals_scipys_blur_to_single_precision(rows, columns, sigma, truncate, seed):
    planes = np.random.default_rng(seed).random((2, rows, columns)).astype(np.float32)
    expected = gaussian_filter(
        planes.astype(np.float64), (0, sigma, sigma), mode="reflect", truncate=truncate
    )
    assert np.abs(gaussian_blur(planes, sigma, truncate=truncate) - expected).max() < 2e-6


@pytest.mark.parametrize("sigma", [0.4, 2.0, 9.0])
def test_the_transform_blur_equals_scipys_rounded(sigma):
    pixels = np.random.default_rng(0).integers(0, 256, (70, 50, 3), dtype=np.uint8)
    blurred, _ = build("transforms", kind="blur", sigma=sigma)(pixels)
    expected = gaussian_filter(pixels.astype(np.float64), (sigma, sigma, 0), mode="reflect")
    assert np.abs(blurred - expected).max() <= 0.5 + 1e-3
    assert blurred.flags.c_contiguous
