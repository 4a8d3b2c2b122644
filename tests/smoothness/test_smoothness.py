import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import spearmanr
from torch import nn

from shapebias.errors import ShapebiasError
from shapebias.smoothness.activations import activation_tv
from shapebias.smoothness.filter_matching import filter_matches
from shapebias.smoothness.kernels import first_kernels, kernel_tv
from shapebias.smoothness.total_variation import total_variation
from tests.helpers.planted_networks import exact_images, exact_network, network
from tests.helpers.reference_implementations import variation_by_loops


@given(seed=st.integers(0, 10**6), shape=st.tuples(st.integers(1, 6), st.integers(1, 6)))
@settings(max_examples=30, deadline=None)
def test_total_variation_equals_loops(seed, shape):
    maps = torch.randn(2, 3, *shape, generator=torch.Generator().manual_seed(seed))
    variations = total_variation(maps)
    assert variations.shape == (2, 3)
    for single, value in zip(maps.flatten(0, 1), variations.flatten().tolist(), strict=True):
        assert value == pytest.approx(variation_by_loops(single.tolist()), rel=1e-4, abs=1e-5)


def test_total_variation_of_a_step_is_its_length():
    step = torch.zeros(5, 7)
    step[:, 3:] = 2.0
    assert total_variation(step).item() == 10.0


def test_kernels_of_one_pixel_are_excluded():
    layers = {
        "first": [nn.Conv2d(3, 4, 3)],
        "mixed": [nn.Sequential(nn.Conv2d(4, 5, 1), nn.Conv2d(5, 2, (1, 3)))],
    }
    model = network(layers, [nn.AdaptiveAvgPool2d(1), nn.Flatten()], classes="ab", size=8)
    frame = kernel_tv(model)
    assert frame["layer"].tolist() == ["0", "1.1", "all"]
    assert all(f"{name}.weight" in model.network.state_dict() for name in frame["layer"][:-1])
    assert frame["n_filters"].tolist() == [4, 2, 6]
    weights = model.network.state_dict()
    tvs = [
        [variation_by_loops(kernel.tolist()) for kernel in weights[f"{name}.weight"].flatten(0, 1)]
        for name in ("0", "1.1")
    ]
    expected = [np.mean(tvs[0]), np.mean(tvs[1]), np.mean(tvs[0] + tvs[1])]
    assert frame["mean_tv"].tolist() == pytest.approx(expected)


def test_a_network_without_larger_kernels_has_no_mean():
    model = network({"one": [nn.Conv2d(3, 4, 1)]}, [nn.Flatten()], classes="ab", size=8)
    frame = kernel_tv(model)
    assert frame["layer"].tolist() == ["all"]
    assert frame["n_filters"].tolist() == [0]
    assert np.isnan(frame["mean_tv"][0])


@pytest.mark.parametrize("size", [1, 2, 5])
def test_activation_tv_is_the_mean_over_images(size):
    model, images = exact_network(0).train(), exact_images(0, 5)
    batches = [([""] * len(part), part, [None] * len(part)) for part in images.split(size)]
    frame = activation_tv(model, batches).set_index(["layer", "channel"])["mean_tv"]
    assert all(module.training for module in model.modules())
    model.eval()
    with torch.no_grad():
        for layer, maps in model.walk(images):
            for channel in range(maps.shape[1]):
                tvs = [variation_by_loops(maps[i, channel].tolist()) for i in range(5)]
                assert frame[layer, channel] == pytest.approx(np.mean(tvs))
    assert len(frame) == sum(model.channels().values())


def test_activation_tv_needs_an_image():
    with pytest.raises(ShapebiasError, match="at least one image"):
        activation_tv(exact_network(0), [])


@given(seed=st.integers(0, 10**6), levels=st.sampled_from([2, 3, 1000]))
@settings(max_examples=25, deadline=None)
def test_matches_equal_scipy(seed, levels):
    generator = torch.Generator().manual_seed(seed)
    # Few levels make ties; the first filter of each network is constant.
    s, r = (torch.randint(0, levels, (n, 3, 2, 3), generator=generator).float() for n in (4, 5))
    s[0], r[0] = 1.0, 2.0
    frame = filter_matches(s, r)
    assert frame["filter"].tolist() == [1, 2, 3]
    for row in frame.itertuples():
        rhos = [spearmanr(s[row.filter].flatten(), r[j].flatten())[0] for j in range(1, 5)]
        assert row.spearman == pytest.approx(max(rhos), abs=1e-9)
        assert rhos[row.match - 1] == pytest.approx(max(rhos), abs=1e-9)
        tvs = [
            np.mean([variation_by_loops(kernel.tolist()) for kernel in kernels])
            for kernels in (s[row.filter], r[row.match])
        ]
        assert row.tv_difference == pytest.approx(tvs[0] - tvs[1], abs=1e-5)


def test_a_network_matches_itself():
    kernels = first_kernels(exact_network(1, dead=False))
    kernels = kernels + torch.randn(kernels.shape, generator=torch.Generator().manual_seed(0))
    frame = filter_matches(kernels, kernels)
    assert frame["match"].tolist() == frame["filter"].tolist()
    assert frame["spearman"].tolist() == pytest.approx([1.0] * len(kernels))
    assert frame["tv_difference"].tolist() == [0.0] * len(kernels)


def test_constant_kernels_match_nothing():
    assert len(filter_matches(torch.ones(2, 1, 3, 3), torch.randn(2, 1, 3, 3))) == 0
    assert len(filter_matches(torch.randn(2, 1, 3, 3), torch.ones(2, 1, 3, 3))) == 0


def test_filters_of_different_shapes_are_rejected():
    with pytest.raises(ShapebiasError, match=r"\(3, 7, 7\) and \(3, 11, 11\)"):
        filter_matches(torch.randn(2, 3, 7, 7), torch.randn(2, 3, 11, 11))
    without = network({"relu": [nn.ReLU()]}, [nn.Flatten()], classes="ab", size=8)
    with pytest.raises(ShapebiasError, match="needs networks with a convolution"):
        first_kernels(without)
