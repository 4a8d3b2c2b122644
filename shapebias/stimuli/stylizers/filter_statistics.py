"""Weight-free stylizer: a content's layout with the filter statistics of a style image.

Texture synthesis by matched filter histograms starts from noise; here it starts from the
content's outlines and noise together. Every oriented band is then given the style's histogram, in
the style's own colour axes. Matching keeps the order of a band's values, so the strongest
outlines stay the strongest, while colours and fine texture become the style's.
"""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image
from scipy.ndimage import gaussian_filter, uniform_filter

from shapebias.ranges import Range
from shapebias.stimuli.stylizers._texture_statistics import (
    bands,
    flat,
    joined,
    random_phases,
    steerable_filters,
    with_histograms,
)

# Features along a side: what is finer is texture, what is coarser is outline.
FEATURES = 28
# Variance of a window, for colours in [0, 1], below which it holds no outline.
FLAT = 0.002
ROUNDS = 3
# Cycles along a side below which the layout is the content's alone.
LAYOUT_CYCLES = 8.0


def build(
    *,
    content: Annotated[float, Range(gt=0)] = 2.0,
    iterations: Annotated[int, Range(ge=1)] = 2,
    scales: Annotated[int, Range(ge=1)] = 4,
) -> "FilterStatistics":
    """Stylizer ``stylizer(content, style, rng)`` of uint8 images ``(row, column, 3)``.

    Parameters
    ----------
    content
        Strength of the content's outlines against the style's texture, above 0.
    iterations
        Rounds of matching, at least 1; more rounds bring the statistics nearer to the style's.
    scales
        Octaves of filters, at least 1; what is coarser belongs to the layout.
    """
    return FilterStatistics(content=content, iterations=iterations, scales=scales)


@dataclass(frozen=True, kw_only=True)
class FilterStatistics:
    """Histograms of oriented filters at several scales, matched to those of a style image.

    Parameters
    ----------
    content, iterations, scales
        See `build`.

    References
    ----------
    .. [1] Heeger & Bergen (1995). Pyramid-based texture analysis/synthesis. SIGGRAPH.
       :DOI:`10.1145/218380.218446`
    .. [2] Portilla & Simoncelli (2000). A parametric texture model based on joint statistics of
       complex wavelet coefficients. IJCV. :DOI:`10.1023/A:1026553619983`
    """

    content: float = 2.0
    iterations: int = 2
    scales: int = 4

    def __call__(
        self,
        content: UInt8[np.ndarray, "row column 3"],
        style: UInt8[np.ndarray, "style_row style_column 3"],
        rng: np.random.Generator,
    ) -> UInt8[np.ndarray, "row column 3"]:
        """Content in the style's colours and texture; the style is brought to its size."""
        rows, columns, _ = content.shape
        # The Fourier transform joins opposite borders; the margin keeps them apart.
        margin = max(rows, columns) // 16
        style_maps, axes, mean = principal_maps(_padded(_resized(style, rows, columns), margin))
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
        """Maps whose bands, and whose values, have the style's histograms."""
        filters = steerable_filters(*style.shape[1:], self.scales)
        # The coarsest band stays as it is: it holds the content's layout.
        targets = np.sort(flat(bands(style, filters[:-1])), axis=-1)
        values = np.sort(flat(style), axis=-1)
        maps = with_histograms(start, values)
        for _ in range(self.iterations):
            seen = bands(maps, filters)
            seen[:, :-1] = with_histograms(seen[:, :-1], targets)
            maps = with_histograms(joined(seen, filters), values)
        return maps


def principal_maps(
    colours: Float[np.ndarray, "row column 3"],
) -> tuple[Float[np.ndarray, "map row column"], Float[np.ndarray, "map 3"], Float[np.ndarray, "3"]]:
    """Image along its uncorrelated colour axes, strongest first; the axes; and its mean colour.

    Each axis points towards the light, so that what is lighter in one image stays so in another.
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
    """Image whose fine texture is smoothed away while its larger outlines stay.

    A blur removes the texture; then the image is fitted, window by window, to what is left, so
    that outlines which survived the blur become sharp again and texture which did not stays away.

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


def _scaled(layout: np.ndarray, style: np.ndarray) -> np.ndarray:
    """Content's maps in the style's strengths; its weak axes stay weak beside the strongest."""
    strength = np.maximum(layout.std((1, 2)), 0.3 * layout.std((1, 2))[0]).clip(1e-3)
    return layout * (style.std((1, 2)) / strength)[:, None, None]


def _resized(pixels: np.ndarray, rows: int, columns: int) -> np.ndarray:
    if pixels.shape[:2] == (rows, columns):
        return pixels
    return np.asarray(Image.fromarray(pixels).resize((columns, rows), Image.Resampling.LANCZOS))


def _padded(pixels: np.ndarray, margin: int) -> np.ndarray:
    """Colours in [0, 1], mirrored beyond the borders."""
    edges = ((margin, margin), (margin, margin), (0, 0))
    return np.pad(pixels.astype(np.float32) / 255, edges, mode="symmetric")
