"""Weight-free stylizer: the layout of the content with the filter statistics of a style image.

Texture synthesis by matched filter histograms starts from noise; here it starts from the outlines
of the content plus noise. Every oriented band is then given the histogram of the style, in the
colour axes of the style. Matching preserves the order of the values in a band, so the strongest
outlines stay the strongest, while colours and fine texture become those of the style.
"""

from typing import Annotated

import numpy as np
from jaxtyping import Float, Float32, UInt8
from PIL import Image
from scipy.ndimage import gaussian_filter, uniform_filter

from shapebias.plugins import plugin
from shapebias.ranges import Range
from shapebias.stimuli.stylizers._texture_statistics import (
    bands,
    flat,
    from_bands,
    random_phases,
    steerable_filters,
    with_histograms,
)

# Features along a side: finer ones are texture, coarser ones are outlines.
FEATURES = 28
# Variance of a window, for colours in [0, 1], below which it contains no outline.
FLAT = 0.002
ROUNDS = 3
# Cycles along a side below which only the content determines the layout.
LAYOUT_CYCLES = 8.0


@plugin
class FilterStatistics:
    """Match histograms of oriented filters at several scales to those of a style image.

    Parameters
    ----------
    content
        Strength of the content's outlines relative to the style's texture.
    iterations
        Rounds of matching; with more rounds the statistics are closer to those of the style.
    scales
        Octaves of filters; coarser structure belongs to the layout.

    References
    ----------
    .. [1] Heeger & Bergen (1995). Pyramid-based texture analysis/synthesis. SIGGRAPH.
       :DOI:`10.1145/218380.218446`
    .. [2] Portilla & Simoncelli (2000). A parametric texture model based on joint statistics of
       complex wavelet coefficients. IJCV. :DOI:`10.1023/A:1026553619983`
    """

    content: Annotated[float, Range(gt=0)] = 2.0
    iterations: Annotated[int, Range(ge=1)] = 2
    scales: Annotated[int, Range(ge=1)] = 4

    def __call__(
        self,
        content: UInt8[np.ndarray, "row column 3"],
        style: UInt8[np.ndarray, "style_row style_column 3"],
        rng: np.random.Generator,
    ) -> UInt8[np.ndarray, "row column 3"]:
        """Stylize an image; the style is resized to the size of the content."""
        rows, columns, _ = content.shape
        # The Fourier transform joins opposite borders; the margin separates them.
        margin = max(rows, columns) // 16
        if style.shape != content.shape:
            resized = Image.fromarray(style).resize((columns, rows), Image.Resampling.LANCZOS)
            style = np.asarray(resized)
        style_maps, axes, mean = principal_maps(_padded(style, margin))
        layout, _, _ = principal_maps(without_texture(_padded(content, margin)))
        texture = random_phases(style_maps, rng, cycles=LAYOUT_CYCLES)
        start = self.content * _scaled(layout, style_maps) + texture
        matched = self.match(start, style_maps)
        colours = np.einsum("mrc,md->rcd", matched, axes) + mean
        inner = colours[margin : margin + rows, margin : margin + columns]
        return np.rint(255 * inner.clip(0, 1)).astype(np.uint8)

    def match(
        self, start: Float[np.ndarray, "map row column"], style: Float[np.ndarray, "map row column"]
    ) -> Float[np.ndarray, "map row column"]:
        """Give the values and the bands of maps the histograms of the style."""
        filters = steerable_filters(*style.shape[1:], self.scales)
        # The coarsest band is not matched: it contains the layout of the content.
        targets = np.sort(flat(bands(style, filters[:-1])), axis=-1)
        values = np.sort(flat(style), axis=-1)
        maps = with_histograms(start, values)
        for _ in range(self.iterations):
            map_bands = bands(maps, filters)
            map_bands[:, :-1] = with_histograms(map_bands[:, :-1], targets)
            maps = with_histograms(from_bands(map_bands, filters), values)
        return maps


def principal_maps(
    colours: Float[np.ndarray, "row column 3"],
) -> tuple[
    Float32[np.ndarray, "3 row column"], Float32[np.ndarray, "3 3"], Float32[np.ndarray, "3"]
]:
    """Project an image onto its principal colour axes.

    Returns
    -------
    Maps, strongest first; the axes, one in a row, each pointing towards lighter colours so that
    lighter parts of two images correspond; and the mean colour.
    """
    mean = colours.mean((0, 1))
    centred = (colours - mean).reshape(-1, 3)
    _, axes = np.linalg.eigh(centred.T @ centred)
    axes = axes.T[::-1]
    axes = axes * np.where(axes.sum(1, keepdims=True) < 0, -1, 1)
    maps = np.einsum("rcd,md->mrc", colours - mean, axes)
    return maps.astype(np.float32), axes.astype(np.float32), mean.astype(np.float32)


def without_texture(
    colours: Float[np.ndarray, "row column 3"],
) -> Float[np.ndarray, "row column 3"]:
    """Smooth away the fine texture of an image and keep its larger outlines.

    A blur removes the texture. Then the image is regressed on the blurred one, window by window,
    so that outlines which survived the blur become sharp again and texture does not return.

    References
    ----------
    .. [1] Zhang, Shen, Xu & Jia (2014). Rolling guidance filter. ECCV.
       :DOI:`10.1007/978-3-319-10578-9_53`
    .. [2] He, Sun & Tang (2013). Guided image filtering. IEEE TPAMI.
       :DOI:`10.1109/TPAMI.2012.213`
    """
    scale = min(colours.shape[:2]) / FEATURES
    width = 2 * max(1, round(scale)) + 1
    window = (width, width, 1)
    mean = uniform_filter(colours, window)
    guide = gaussian_filter(colours, (scale, scale, 0))
    for _ in range(ROUNDS):
        centre = uniform_filter(guide, window)
        variance = uniform_filter(guide * guide, window) - centre**2
        slope = (uniform_filter(guide * colours, window) - centre * mean) / (variance + FLAT)
        shift = mean - slope * centre
        guide = uniform_filter(slope, window) * guide + uniform_filter(shift, window)
    return guide


def _scaled(
    layout: Float[np.ndarray, "map row column"], style: Float[np.ndarray, "map row column"]
) -> Float[np.ndarray, "map row column"]:
    """Scale content maps to the spread of the style's; weak axes are not amplified fully."""
    spread = np.maximum(layout.std((1, 2)), 0.3 * layout.std((1, 2))[0]).clip(1e-3)
    return layout * (style.std((1, 2)) / spread)[:, None, None]


def _padded(
    pixels: UInt8[np.ndarray, "row column 3"], margin: int
) -> Float32[np.ndarray, "padded_row padded_column 3"]:
    """Convert to colours in [0, 1] with a mirrored margin."""
    edges = ((margin, margin), (margin, margin), (0, 0))
    return np.pad(pixels.astype(np.float32) / 255, edges, mode="symmetric")
