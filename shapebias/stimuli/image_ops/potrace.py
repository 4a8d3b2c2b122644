"""Outlines of black shapes by potrace, through whichever of two Python packages is installed.

pypotrace wraps the C library and is the default; potracer is slower and pure Python, for machines
where pypotrace cannot be built. Both are imported as `potrace`.
"""

import importlib
from functools import cache
from types import ModuleType
from typing import Any

import numpy as np
from jaxtyping import Bool

from shapebias.errors import ShapebiasError

Point = tuple[float, float]
# Start point, and the points of each segment: a corner and an end, or two handles and an end.
Outline = tuple[Point, list[list[Point]]]


@cache
def find_tracer() -> "Tracer":
    """Return a tracer that uses the installed package.

    Raises
    ------
    ShapebiasError
        If neither is installed. An error inside one of them is raised as it is.
    """
    try:
        importlib.import_module("potrace._potrace")
    except ModuleNotFoundError as error:
        if error.name not in ("potrace", "potrace._potrace"):
            raise
        return Potracer(_import_potrace())
    return Pypotrace(_import_potrace())


class Tracer:
    """Trace outlines with one of the packages.

    Parameters
    ----------
    potrace
        Module of the package.
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
        """Trace closed outlines, in pixels; x increases to the right and y upwards.

        Parameters
        ----------
        black
            True for black pixels, rows from the top.
        turdsize, alphamax, opttolerance
            Parameters of potrace: largest area of omitted specks, in pixels; corner threshold;
            tolerance for joining curves, in pixels.
        """
        # potrace counts rows from the bottom, which decides ambiguous turns.
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

    def bitmap(self, black: Bool[np.ndarray, "row column"]) -> Any:
        """Convert black pixels to a bitmap of the package."""
        raise NotImplementedError

    def point(self, point: Any) -> Point:
        """Convert a point of the package to a pair of coordinates."""
        raise NotImplementedError

    @staticmethod
    def points(segment: Any) -> list:
        """Return the points of a segment in drawing order."""
        if segment.is_corner:
            return [segment.c, segment.end_point]
        return [segment.c1, segment.c2, segment.end_point]


class Pypotrace(Tracer):
    """Trace with pypotrace, the wrapper of the C library."""

    name = "pypotrace"

    def bitmap(self, black: Bool[np.ndarray, "row column"]) -> Any:
        """Return a bitmap of integers, in which 0 is white."""
        return self.potrace.Bitmap(black.astype(np.uint32))

    def point(self, point: Any) -> Point:
        """Return the point, which is a pair of coordinates."""
        return point


class Potracer(Tracer):
    """Trace with potracer, the pure Python version."""

    name = "potracer"

    def bitmap(self, black: Bool[np.ndarray, "row column"]) -> Any:
        """Return a bitmap of booleans, in which False is black."""
        return self.potrace.Bitmap(~black)

    def point(self, point: Any) -> Point:
        """Return the coordinates of the point."""
        return point.x, point.y


def _import_potrace() -> ModuleType:
    """Import `potrace`, or raise a `ShapebiasError` that names both packages."""
    try:
        return importlib.import_module("potrace")
    except ModuleNotFoundError as error:
        if error.name != "potrace":
            raise
        raise ShapebiasError(
            "black_and_white needs a tracer: pip install pypotrace (requires libpotrace-dev and"
            " libagg-dev), or potracer if that cannot be built"
        ) from error
