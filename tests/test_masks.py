import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from shapebias.masks import pixels_above_zero

SIZES = [(1, 1), (3, 4), (5, 7), (8, 8), (13, 13), (16, 9), (112, 112)]


def expected(maps, size):
    large = functional.interpolate(maps[:, None], size, mode="bilinear", align_corners=False)
    return {(one, pixel) for one, pixel in (large.flatten(1) > 0).nonzero().tolist()}


def found(maps, size):
    pairs = torch.stack(pixels_above_zero(maps, size)).T.tolist()
    assert len(pairs) == len(set(map(tuple, pairs)))
    return {tuple(pair) for pair in pairs}


@pytest.mark.parametrize("size", SIZES)
@given(
    seed=st.integers(0, 10**6),
    shape=st.tuples(st.integers(1, 4), st.integers(1, 14), st.integers(1, 14)),
    coarse=st.booleans(),
    share=st.sampled_from([0.02, 0.3, 0.9]),
)
@settings(max_examples=15, deadline=None)
def test_pixels_are_those_of_the_whole_upsampled_maps(size, seed, shape, coarse, share):
    generator = torch.Generator().manual_seed(seed)
    maps = torch.rand(shape, generator=generator) - (1 - share)
    # Whole numbers make averages of zero, where rounding decides.
    maps = (maps * 4).round() if coarse else maps
    assert found(maps, size) == expected(maps, size)


def test_zeros_have_no_pixels():
    assert found(torch.zeros(2, 5, 5), (7, 7)) == set()
    assert found(-torch.ones(1, 3, 3), (9, 9)) == set()
