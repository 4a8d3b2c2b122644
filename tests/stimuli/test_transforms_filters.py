"""Median filter, colour reversal and Fourier filters, compared with slow references."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from shapebias.errors import ShapebiasError
from shapebias.plugins import build


def picture(rows: int, columns: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (rows, columns, 3), dtype=np.uint8)


def wave(rows: int, columns: int, down: float, across: float) -> np.ndarray:
    """Grey image of one frequency, in cycles down and across the image, about mid grey."""
    row, column = np.mgrid[:rows, :columns]
    grey = 128 + 60 * np.cos(2 * np.pi * (down * row / rows + across * column / columns))
    return np.rint(grey).astype(np.uint8)[..., None].repeat(3, axis=2)


def mirrored(place: int, length: int) -> int:
    place = place % (2 * length)
    return place if place < length else 2 * length - 1 - place


def medians(pixels: np.ndarray, size: int) -> np.ndarray:
    """Compute the median of the window about each pixel, pixel by pixel."""
    rows, columns, _ = pixels.shape
    about = range(-(size // 2), size // 2 + 1)
    filtered = np.empty_like(pixels)
    for row in range(rows):
        for column in range(columns):
            for colour in range(3):
                window = [
                    pixels[mirrored(row + i, rows), mirrored(column + j, columns), colour]
                    for i in about
                    for j in about
                ]
                filtered[row, column, colour] = sorted(window)[len(window) // 2]
    return filtered


@settings(max_examples=15, deadline=None)
@given(
    rows=st.integers(3, 9),
    columns=st.integers(3, 9),
    size=st.sampled_from([1, 3, 5]),
    repeats=st.integers(1, 3),
    seed=st.integers(0, 99),
)
def test_median_equals_the_reference_after_every_number_of_repeats(
    rows, columns, size, repeats, seed
):
    pixels = picture(rows, columns, seed)
    filtered, drawn = build("transforms", kind="median", size=size, repeats=repeats)(pixels)
    expected = pixels
    for _ in range(repeats):
        expected = medians(expected, size)
    assert np.array_equal(filtered, expected)
    assert drawn == {"median_size": size, "median_repeats": repeats}


def test_median_removes_specks_and_keeps_edges():
    pixels = np.full((20, 20, 3), 40, np.uint8)
    pixels[:, 10:] = 200
    specked = pixels.copy()
    specked[3, 3], specked[12, 15] = 255, 0
    assert np.array_equal(build("transforms", kind="median", size=3)(specked)[0], pixels)


def test_reverse_computes_one_minus_x_and_is_its_own_inverse():
    pixels = picture(7, 5)
    reverse = build("transforms", kind="reverse")
    reversed_, drawn = reverse(pixels)
    assert np.allclose(reversed_ / 255, 1 - pixels / 255) and drawn == {}
    assert np.array_equal(reverse(reversed_)[0], pixels)
    assert not np.shares_memory(reversed_, pixels)


def ring_filtered(pixels: np.ndarray, inner: float, outer: float) -> np.ndarray:
    """Filter with the whole centred spectrum, one frequency at a time."""
    rows, columns, _ = pixels.shape
    spectrum = np.fft.fftshift(np.fft.fft2(pixels.astype(float), axes=(0, 1)), axes=(0, 1))
    for row in range(rows):
        for column in range(columns):
            down = (row - rows // 2) / rows * min(rows, columns)
            across = (column - columns // 2) / columns * min(rows, columns)
            if not inner <= (down**2 + across**2) ** 0.5 < outer:
                spectrum[row, column] = 0
    filtered = np.fft.ifft2(np.fft.ifftshift(spectrum, axes=(0, 1)), axes=(0, 1))
    assert np.abs(filtered.imag).max() < 1e-9
    return (filtered.real + (127.5 if inner > 0 else 0)).clip(0, 255)


# No frequency of these sizes has one of these radii, so rounding has no influence.
@settings(max_examples=40, deadline=None)
@given(
    rows=st.integers(2, 17),
    columns=st.integers(2, 17),
    inner=st.sampled_from([0.0, 1.2345, 3.1234]),
    outer=st.sampled_from([None, 3.4321, 6.54321]),
    seed=st.integers(0, 99),
)
def test_fourier_equals_a_ring_filter_of_the_centred_spectrum(rows, columns, inner, outer, seed):
    assume(inner > 0 or outer is not None)
    pixels = picture(rows, columns, seed)
    filtered, drawn = build("transforms", kind="fourier", inner=inner, outer=outer)(pixels)
    expected = ring_filtered(pixels, inner, np.inf if outer is None else outer)
    assert np.abs(filtered - expected).max() <= 0.5 + 1e-6
    assert drawn == {
        "fourier_inner": inner,
        "fourier_outer": float("inf") if outer is None else outer,
    }


@pytest.mark.parametrize("size", [32, 49, 224])
def test_the_inner_edge_is_kept_and_the_outer_is_not(size):
    fourier = build("transforms", kind="fourier", inner=3, outer=5)
    for cycles, is_kept in ((2, False), (3, True), (4, True), (5, False), (6, False)):
        for down, across in ((cycles, 0), (0, cycles)):
            filtered, _ = fourier(wave(size, size, down, across))
            assert (filtered.std() > 30) == is_kept, (cycles, down)


def test_low_pass_keeps_coarse_and_high_pass_keeps_fine_waves():
    coarse, fine = wave(64, 64, 2, 1).astype(int), wave(64, 64, 12, 20).astype(int)
    both = ((coarse + fine) // 2).astype(np.uint8)
    low, _ = build("transforms", kind="fourier", outer=8.0)(both)
    high, _ = build("transforms", kind="fourier", inner=8.0)(both)
    assert np.abs(low - (coarse + 128) / 2).max() < 2
    assert np.abs(high - (fine + 127) / 2).max() < 2


def test_a_radius_is_the_same_frequency_along_both_sides_of_an_oblong_image():
    """A filter passes stripes 8 pixels apart in both directions."""
    fourier = build("transforms", kind="fourier", inner=3.9, outer=4.1)
    assert fourier(wave(32, 64, 32 / 8, 0))[0].std() > 30
    assert fourier(wave(32, 64, 0, 64 / 8))[0].std() > 30
    assert fourier(wave(32, 64, 0, 4))[0].std() < 1


@pytest.mark.parametrize(
    ("kind", "invalid", "message"),
    [
        ("median", {"size": 4}, "^median: size is 4; it must be odd: use 5"),
        ("median", {"size": -1}, "^transforms/median: size: -1 is not at least 1"),
        ("median", {"size": 3, "repeats": 0}, "^transforms/median: repeats: 0 is not at least 1"),
        ("fourier", {}, "^fourier: inner is 0.0 and outer is None"),
        ("fourier", {"inner": 5.0, "outer": 5.0}, "^fourier: inner is 5.0 and outer is 5.0"),
        ("fourier", {"inner": -1.0}, "^transforms/fourier: inner: -1.0 is not at least 0"),
        ("fourier", {"inner": float("nan")}, "^transforms/fourier: inner: nan is not at least 0"),
    ],
)
def test_invalid_settings_are_rejected_in_one_line(kind, invalid, message):
    with pytest.raises(ShapebiasError, match=message) as error:
        build("transforms", kind=kind, **invalid)
    assert "\n" not in str(error.value)
