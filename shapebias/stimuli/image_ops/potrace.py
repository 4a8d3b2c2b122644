"""Outlines of black shapes by potrace, through whichever of its two Python packages is there.

pypotrace wraps the C library and is the one meant; potracer is a slower version in pure Python,
for machines where pypotrace cannot be built. Both are imported as `potrace`.
"""

import importlib
from functools import cache
from types import ModuleType

import numpy as np
from jaxtyping import Bool

from shapebias.errors import ShapebiasError

Point = tuple[float, float]
# Where it starts, and the points of each segment: a corner and an end, or two handles and an end.
Outline = tuple[Point, list[list[Point]]]


@cache
def find_tracer() -> "Tracer":
    """Tracer over the package that is installed.

    Raises
    ------
    ShapebiasError
        If neither is. An error inside one of them is not hidden.
    """
    try:
        importlib.import_module("potrace._potrace")
    except ModuleNotFoundError as error:
        if error.name not in ("potrace", "potrace._potrace"):
            raise
        return Potracer(_potrace())
    return Pypotrace(_potrace())


class Tracer:
    """Outlines through one package.

    Parameters
    ----------
    potrace
        Its module.
    """

    name: str

    def __init__(self, potrace: ModuleType):
        self.potrace = potrace

    def outlines(
        self,
        black: Bool[np.ndarray, "row column"],
        *,
        turdsize: int,
        alphamax: float,
        opttolerance: float,
    ) -> list[Outline]:
        """Closed outlines in pixels; the first coordinate runs right, the second up.

        Parameters
        ----------
        black
            Which pixels are black, rows from the top.
        turdsize, alphamax, opttolerance
            potrace's own: largest speck that is left out, in pixels of area; corner threshold;
            error allowed when curves are joined, in pixels.
        """
        # Rows run bottom up in potrace, and which way ties turn depends on it.
        traced = self.bitmap(black[::-1]).trace(
            turdsize=turdsize, alphamax=alphamax, opttolerance=opttolerance
        )
        return [
            (
                self.point(curve.start_point),
                [list(map(self.point, self.points(segment))) for segment in curve.segments],
            )
            for curve in traced.curves
        ]

    def bitmap(self, black: Bool[np.ndarray, "row column"]):
        """The package's own bitmap."""
        raise NotImplementedError

    def point(self, point) -> Point:
        """Coordinates of the package's own point."""
        raise NotImplementedError

    @staticmethod
    def points(segment) -> list:
        """Points of a segment in the order in which they are drawn."""
        if segment.is_corner:
            return [segment.c, segment.end_point]
        return [segment.c1, segment.c2, segment.end_point]


class Pypotrace(Tracer):
    """The wrapper of the C library."""

    name = "pypotrace"

    def bitmap(self, black):
        """Bitmap of whole numbers; black is what is not 0."""
        return self.potrace.Bitmap(black.astype(np.uint32))

    def point(self, point):
        """A point is a pair already."""
        return point


class Potracer(Tracer):
    """The version in pure Python."""

    name = "potracer"

    def bitmap(self, black):
        """Bitmap of truth values; black is what is false."""
        return self.potrace.Bitmap(~black)

    def point(self, point):
        """Pair of a point's two attributes."""
        return point.x, point.y


def _potrace() -> ModuleType:
    try:
        return importlib.import_module("potrace")
    except ModuleNotFoundError as error:
        if error.name != "potrace":
            raise
        raise ShapebiasError(
            "black_and_white needs a tracer: pip install pypotrace (with libpotrace-dev and"
            " libagg-dev), or potracer where that cannot be built"
        ) from error
