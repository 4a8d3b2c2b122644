"""Black-and-white images: binarise, trace smooth outlines, and draw them on white."""

import io
from math import floor
from typing import Annotated

import cairosvg
import numpy as np
from jaxtyping import Bool, UInt8
from PIL import Image

from shapebias.plugins import plugin
from shapebias.ranges import Range
from shapebias.stimuli.image_ops.potrace import Outline, Point, find_tracer

# Outlines are written in tenths of a pixel, as in the SVG of potrace.
UNITS_PER_PIXEL = 10


@plugin
class BlackAndWhite:
    """Trace the dark parts of an image with potrace and draw them with cairo, black on white.

    Parameters
    ----------
    threshold
        Highest mean of the three colours, in [0, 1], at which a pixel is black.
    turdsize
        Largest speck that is omitted, in pixels of area.
    alphamax
        Corner threshold, from 0 (all corners) to 4/3 (none).
    opttolerance
        Tolerance for joining neighbouring curves, in pixels.

    References
    ----------
    .. [1] Selinger (2003). Potrace: a polygon-based tracing algorithm.
       https://potrace.sourceforge.net/potrace.pdf
    """

    threshold: Annotated[float, Range(ge=0, le=1)] = 0.5
    turdsize: Annotated[int, Range(ge=0)] = 2
    alphamax: Annotated[float, Range(ge=0, le=1.334)] = 1.0
    opttolerance: Annotated[float, Range(ge=0)] = 0.2

    def __call__(
        self,
        pixels: UInt8[np.ndarray, "row column 3"],
        *,
        rng: np.random.Generator | None = None,
        label: str | None = None,
    ) -> tuple[UInt8[np.ndarray, "row column 3"], dict[str, float | str]]:
        """Convert an image to black and white; nothing is random.

        Grey occurs only along outlines, where black covers a part of a pixel.

        Returns
        -------
        The image; ``black``, the fraction of black pixels before tracing; and ``tracer``, the
        package that traced them: "pypotrace" or "potracer".
        """
        black = self.binarise(pixels)
        drawn = {"black": float(black.mean()), "tracer": find_tracer().name}
        return draw(self.trace(black)), drawn

    def binarise(self, pixels: UInt8[np.ndarray, "row column 3"]) -> Bool[np.ndarray, "row column"]:
        """Find black pixels; at a threshold of 0.5 those whose colours sum to at most 382."""
        return pixels.sum(axis=2, dtype=np.int64) <= 765 * self.threshold

    def trace(self, black: Bool[np.ndarray, "row column"]) -> str:
        """Write the outlines of the black pixels as an SVG with a transparent background."""
        outlines = find_tracer().outlines(
            black, turdsize=self.turdsize, alphamax=self.alphamax, opttolerance=self.opttolerance
        )
        rows, columns = black.shape
        transform = f"translate(0,{rows}) scale({1 / UNITS_PER_PIXEL},{-1 / UNITS_PER_PIXEL})"
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{columns}" height="{rows}"'
            f' viewBox="0 0 {columns} {rows}"><path transform="{transform}"'
            f' d="{" ".join(map(_path, outlines))}"/></svg>'
        )


def draw(svg: str) -> UInt8[np.ndarray, "row column 3"]:
    """Render an SVG on white, at its own size."""
    # A transparent background would become black when the alpha channel is dropped.
    encoded = cairosvg.svg2png(bytestring=svg.encode(), background_color="white")
    return np.array(Image.open(io.BytesIO(encoded)).convert("RGB"))


def _path(outline: Outline) -> str:
    """Write a closed outline as an SVG path."""
    start, segments = outline
    parts = [f"M{_point(start)}"]
    for points in segments:
        # Two points are the straight lines of a corner, three a curve with its handles.
        parts.append(("L" if len(points) == 2 else "C") + " ".join(map(_point, points)))
    return " ".join(parts) + "Z"


def _point(point: Point) -> str:
    """Write a point in tenths of a pixel, halves rounded up."""
    x, y = point
    return f"{floor(UNITS_PER_PIXEL * x + 0.5)},{floor(UNITS_PER_PIXEL * y + 0.5)}"
