"""Black-and-white images: binarised, traced into smooth outlines, and drawn on white."""

import io
from dataclasses import dataclass
from math import floor
from typing import Annotated

import cairosvg
import numpy as np
from jaxtyping import Bool, UInt8
from PIL import Image

from shapebias.ranges import Range
from shapebias.stimuli.image_ops.potrace import Outline, Point, find_tracer

# Outlines are written in tenths of a pixel, as potrace's own SVG is.
UNITS_PER_PIXEL = 10


def build(
    *,
    threshold: Annotated[float, Range(ge=0, le=1)] = 0.5,
    turdsize: Annotated[int, Range(ge=0)] = 2,
    alphamax: Annotated[float, Range(ge=0, le=1.334)] = 1.0,
    opttolerance: Annotated[float, Range(ge=0)] = 0.2,
) -> "BlackAndWhite":
    """Transform that draws the traced outlines of an image's dark parts in black on white.

    Parameters
    ----------
    threshold
        Mean of the three colours, in [0, 1], up to which a pixel is black.
    turdsize
        Largest speck that is left out, in pixels of area.
    alphamax
        Corner threshold, from 0 (all corners) to 4/3 (none).
    opttolerance
        Error allowed when neighbouring curves are joined, in pixels.
    """
    return BlackAndWhite(
        threshold=threshold, turdsize=turdsize, alphamax=alphamax, opttolerance=opttolerance
    )


@dataclass(frozen=True, kw_only=True)
class BlackAndWhite:
    """Dark parts of an image, traced by potrace and drawn by cairo at the image's size.

    Parameters
    ----------
    threshold, turdsize, alphamax, opttolerance
        See `build`.

    References
    ----------
    .. [1] Selinger (2003). Potrace: a polygon-based tracing algorithm.
       https://potrace.sourceforge.net/potrace.pdf
    """

    threshold: float = 0.5
    turdsize: int = 2
    alphamax: float = 1.0
    opttolerance: float = 0.2

    def __call__(
        self,
        pixels: UInt8[np.ndarray, "row column 3"],
        *,
        rng: np.random.Generator | None = None,
        label: str | None = None,
    ) -> tuple[UInt8[np.ndarray, "row column 3"], dict[str, float | str]]:
        """Black-and-white image.

        Greys occur only along the outlines, where black covers a part of a pixel.

        Returns
        -------
        The image; ``black``, the share of black pixels before tracing; and ``tracer``, the
        package that traced them: "pypotrace" or "potracer".
        """
        black = self.binarise(pixels)
        drawn = {"black": float(black.mean()), "tracer": find_tracer().name}
        return draw(self.trace(black)), drawn

    def binarise(self, pixels: UInt8[np.ndarray, "row column 3"]) -> Bool[np.ndarray, "row column"]:
        """Which pixels are black; at 0.5 those whose colours add up to at most 382."""
        return pixels.sum(axis=2, dtype=np.int64) <= 765 * self.threshold

    def trace(self, black: Bool[np.ndarray, "row column"]) -> str:
        """SVG of the outlines of the black pixels, on a transparent ground."""
        outlines = find_tracer().outlines(
            black, turdsize=self.turdsize, alphamax=self.alphamax, opttolerance=self.opttolerance
        )
        rows, columns = black.shape
        upright = f"translate(0,{rows}) scale({1 / UNITS_PER_PIXEL},{-1 / UNITS_PER_PIXEL})"
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{columns}" height="{rows}"'
            f' viewBox="0 0 {columns} {rows}"><path transform="{upright}"'
            f' d="{" ".join(map(_path, outlines))}"/></svg>'
        )


def draw(svg: str) -> UInt8[np.ndarray, "row column 3"]:
    """Pixels of an SVG on white, at its own size."""
    # A transparent ground would turn black where the alpha channel is dropped.
    encoded = cairosvg.svg2png(bytestring=svg.encode(), background_color="white")
    return np.array(Image.open(io.BytesIO(encoded)).convert("RGB"))


def _path(outline: Outline) -> str:
    """One closed outline in the path language of SVG."""
    start, segments = outline
    parts = [f"M{_point(start)}"]
    for points in segments:
        # Two points are a corner's straight lines, three a curve with its handles.
        parts.append(("L" if len(points) == 2 else "C") + " ".join(map(_point, points)))
    return " ".join(parts) + "Z"


def _point(point: Point) -> str:
    x, y = point
    return f"{floor(UNITS_PER_PIXEL * x + 0.5)},{floor(UNITS_PER_PIXEL * y + 0.5)}"
