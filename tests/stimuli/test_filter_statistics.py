"""The weight-free stylizer keeps the layout and adopts the style; style images as a data set."""

import io

import numpy as np
import pytest
from PIL import Image

from shapebias.errors import ShapebiasError
from shapebias.plugins import build
from shapebias.stimuli.datasets.painted_textures import MANNERS
from shapebias.stimuli.stylizers import _texture_statistics
from shapebias.stimuli.stylizers.filter_statistics import without_texture

SIZE = 64


def disc(size: int = SIZE) -> np.ndarray:
    down, across = np.mgrid[:size, :size]
    return np.hypot(down - size / 2, across - size / 2) < 0.3 * size


def content(size: int = SIZE) -> np.ndarray:
    """Light, finely striped disc on a dark, plain background."""
    stripes = 20 * np.sign(np.sin(2 * np.pi * np.arange(size) / 4 + 0.1))
    fill = np.array([200, 190, 120]) + np.repeat(stripes[None, :, None], size, axis=0)
    return np.where(disc(size)[..., None], fill, [40, 60, 50]).astype(np.uint8)


@pytest.fixture(scope="module")
def styles() -> list[np.ndarray]:
    textures = build("datasets", kind="painted_textures", count=12, size=SIZE, seed=0)
    return [textures.draw(number) for number in range(len(textures))]


@pytest.fixture(scope="module")
def stylized(styles) -> list[np.ndarray]:
    stylizer = build("stylizers", kind="filter_statistics")
    return [stylizer(content(), style, np.random.default_rng(0)) for style in styles]


def grey(pixels: np.ndarray) -> np.ndarray:
    return pixels.astype(float).mean(axis=2)


def correlation(x: np.ndarray, y: np.ndarray) -> float:
    return float(np.corrcoef(x.ravel(), y.ravel())[0, 1])


def test_colours_become_those_of_the_style(stylized, styles):
    for image, style in zip(stylized, styles, strict=True):
        for colour in range(3):
            target = np.quantile(style[..., colour], [0.1, 0.5, 0.9])
            after = np.quantile(image[..., colour], [0.1, 0.5, 0.9])
            before = np.quantile(content()[..., colour], [0.1, 0.5, 0.9])
            assert np.abs(after - target).mean() < 35
            assert np.abs(after - target).mean() < np.abs(before - target).mean() + 5


def test_the_shape_remains_visible(stylized):
    correlations = [correlation(grey(image), disc()) for image in stylized]
    assert np.median(correlations) > 0.5 and min(correlations) > 0.15, correlations


def test_the_texture_of_the_content_is_removed(stylized):
    """Power at the frequency of the stripes, inside the disc, no longer exceeds that nearby."""

    def peak(image):
        power = np.abs(np.fft.fft2(grey(image) * disc())) ** 2
        return power[0, SIZE // 4] / np.median(power[:8, SIZE // 4 - 4 : SIZE // 4 + 5])

    assert np.median([peak(image) for image in stylized]) < 0.1 * peak(content())


def test_oriented_filters_respond_as_to_the_style(stylized, styles):
    """Energies of the fine bands are closer to the style's than the content's were."""
    filters = _texture_statistics.steerable_filters(SIZE, SIZE, 3)

    def energies(image):
        bands = _texture_statistics.bands(grey(image)[None].astype(np.float32), filters)
        return np.log(bands[0, 1:-1].std((1, 2)))

    for image, style in zip(stylized, styles, strict=True):
        after = np.abs(energies(image) - energies(style)).mean()
        before = np.abs(energies(content()) - energies(style)).mean()
        assert after < 0.35 and after < before


def test_without_texture_removes_stripes_and_keeps_the_outline():
    smooth = grey(255 * without_texture(content().astype(np.float32) / 255))
    core = np.hypot(*(np.mgrid[:SIZE, :SIZE] - SIZE / 2)) < 0.2 * SIZE
    assert smooth[core].std() < 0.15 * grey(content())[core].std()
    assert correlation(smooth, disc()) > 0.97


@pytest.mark.parametrize("shape", [(45, 32), (32, 45), (72, 72), (17, 19)])
def test_filters_are_a_tight_frame(shape):
    maps = np.random.default_rng(0).standard_normal((2, *shape)).astype(np.float32)
    filters = _texture_statistics.steerable_filters(*shape, 3)
    assert np.allclose((filters**2).sum(0), 1, atol=1e-5)
    joined = _texture_statistics.from_bands(_texture_statistics.bands(maps, filters), filters)
    assert joined.shape == maps.shape and np.allclose(joined, maps, atol=1e-4)


def test_stable_argsort_equals_numpys():
    values = np.random.default_rng(0).integers(-4, 5, (3, 200)).astype(np.float32) / 3 + 0.0
    expected = np.argsort(values, axis=-1, kind="stable")
    assert np.array_equal(_texture_statistics.stable_argsort(values), expected)


def test_histograms_are_matched_exactly():
    rng = np.random.default_rng(0)
    values = rng.standard_normal((2, 6, 7)).astype(np.float32)
    targets = np.sort(rng.standard_normal((2, 42)).astype(np.float32))
    matched = _texture_statistics.with_histograms(values, targets)
    assert np.array_equal(np.sort(matched.reshape(2, -1)), targets)
    for before, after in zip(values, matched, strict=True):
        assert np.array_equal(before.ravel().argsort(), after.ravel().argsort())


def test_the_same_random_numbers_give_the_same_image(styles):
    stylizer = build("stylizers", kind="filter_statistics")
    first, second, other = (
        stylizer(content(), styles[1], np.random.default_rng(seed)) for seed in (1, 1, 2)
    )
    assert np.array_equal(first, second) and not np.array_equal(first, other)


@pytest.mark.parametrize("shape", [(40, 57), (17, 16), (65, 64)])
def test_any_size_and_any_content(shape, styles):
    stylizer = build("stylizers", kind="filter_statistics")
    for flat in (np.zeros((*shape, 3), np.uint8), np.full((*shape, 3), 255, np.uint8)):
        for style in (styles[0], flat):
            image = stylizer(flat, style, np.random.default_rng(0))
            assert image.shape == flat.shape and image.dtype == np.uint8


def test_invalid_settings_are_rejected():
    for settings in ({"content": 0.0}, {"iterations": 0}, {"scales": 0}):
        with pytest.raises(ShapebiasError, match="stylizers/filter_statistics: "):
            build("stylizers", kind="filter_statistics", **settings)
    with pytest.raises(ShapebiasError, match="painted_textures: size: 8 is not at least 16"):
        build("datasets", kind="painted_textures", count=3, size=8, seed=0)


def test_textures_are_distinct_and_colourful_and_have_no_labels():
    rows = list(build("datasets", kind="painted_textures", count=12, size=32, seed=0).rows(0, 1))
    assert [row["image_id"] for row in rows] == [f"texture-{number:05d}" for number in range(12)]
    assert len({row["image"] for row in rows}) == 12
    for row in rows:
        pixels = np.array(Image.open(io.BytesIO(row["image"]))).astype(float)
        assert pixels.shape == (32, 32, 3) and row["label"] is None and row["path"] is None
        assert grey(pixels).std() > 12 and pixels.std(axis=2).mean() > 12


@pytest.mark.parametrize("parts", [1, 3, 5])
def test_parts_of_the_textures_join_to_all_rows(parts):
    textures = build("datasets", kind="painted_textures", count=len(MANNERS) + 1, size=16, seed=3)
    rows = list(textures.rows(0, 1))
    assert [row for part in range(parts) for row in textures.rows(part, parts)] == rows
    assert len(rows) == len(textures)
