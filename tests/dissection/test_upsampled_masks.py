import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from shapebias.dissection.upsampled_masks import pixels_above_zero
from shapebias.dissection.upsampling_grid import UpsamplingGrid
from shapebias.networks.receptive_fields import Field
from tests.helpers.reference_implementations import upsampled_by_centres

SIZES = [(1, 1), (3, 4), (5, 7), (8, 8), (13, 13), (16, 9), (112, 112)]


def expected_pixels(maps, size):
    """Pixels above zero of the whole upsampled maps."""
    large = functional.interpolate(maps[:, None], size, mode="bilinear", align_corners=False)
    return {(number, pixel) for number, pixel in (large.flatten(1) > 0).nonzero().tolist()}


def active_pixels(maps, size, **aligned):
    """Pixels above zero from `pixels_above_zero`, each once."""
    grid = UpsamplingGrid.of(tuple(maps.shape[1:]), size, maps.device, **aligned)
    pairs = torch.stack(pixels_above_zero(maps, grid)).T.tolist()
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
def test_pixels_equal_those_of_the_whole_upsampled_maps(size, seed, shape, coarse, share):
    generator = torch.Generator().manual_seed(seed)
    maps = torch.rand(shape, generator=generator) - (1 - share)
    # Averages of integers can be zero, where rounding decides.
    maps = (maps * 4).round() if coarse else maps
    assert active_pixels(maps, size) == expected_pixels(maps, size)


@pytest.mark.parametrize(("length", "target"), [(3, 9), (6, 18), (1, 4), (13, 112)])
def test_pixels_next_to_a_position_after_rounding(length, target):
    """From 3 positions to 9, the second pixel is at the first position or 1.5e-8 beside it."""
    maps = torch.zeros(length, 1, length)
    maps[range(length), 0, range(length)] = 1
    maps = torch.cat([maps, -maps, 1 - maps])
    assert active_pixels(maps, (2, target)) == expected_pixels(maps, (2, target))


@pytest.mark.parametrize("size", SIZES[:-1])
@given(
    seed=st.integers(0, 10**6),
    shape=st.tuples(st.integers(1, 3), st.integers(1, 9), st.integers(1, 9)),
    fields=st.tuples(*2 * [st.builds(Field, st.integers(-9, 5), st.integers(1, 20), st.just(4))]),
    coarse=st.booleans(),
)
@settings(max_examples=10, deadline=None)
def test_aligned_pixels_equal_those_of_a_plain_loop(size, seed, shape, fields, coarse):
    generator = torch.Generator().manual_seed(seed)
    maps = torch.rand(shape, generator=generator) - 0.6
    maps = (maps * 4).round() if coarse else maps
    large = [upsampled_by_centres(rows.tolist(), size, fields, (32, 40)) for rows in maps]
    expected = {
        (number, row * size[1] + column)
        for number, rows in enumerate(large)
        for row, line in enumerate(rows)
        for column, value in enumerate(line)
        if value > 0
    }
    assert active_pixels(maps, size, fields=fields, image=(32, 40)) == expected


def test_maps_whose_positions_see_the_whole_image_use_half_pixel_centres():
    maps = torch.rand(2, 5, 5, generator=torch.Generator().manual_seed(0)) - 0.5
    fields = (Field(0, 20, 0), Field(0, 20, 0))
    assert active_pixels(maps, (7, 7), fields=fields, image=(20, 20)) == expected_pixels(
        maps, (7, 7)
    )


def test_maps_without_positive_values_have_no_pixels():
    assert active_pixels(torch.zeros(2, 5, 5), (7, 7)) == set()
    assert active_pixels(-torch.ones(1, 3, 3), (9, 9)) == set()
