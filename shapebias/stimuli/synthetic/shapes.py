"""Shapes of synthetic scenes: signed distances and parts.

Coordinates are those of the shape: x to the right, y upwards, the origin at the centre, and 1 the
radius. Distances are negative inside, and exact or nearly exact close to the outline.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Bool, Float

Plane = Float[np.ndarray, "row column"]
Mask = Bool[np.ndarray, "row column"]


@dataclass(frozen=True)
class Shape:
    """Shape, defined by the signed distance to its outline.

    Parameters
    ----------
    distance
        Signed distance of points ``(x, y)`` to the outline.
    parts
        Part name to a test of points ``(x, y)``, which may be outside the outline (as a hole is).
        The parts of one shape are disjoint.
    """

    distance: Callable[[Plane, Plane], Plane]
    parts: Mapping[str, Callable[[Plane, Plane], Mask]] = field(default_factory=dict)


def distance_to_polygon(x: Plane, y: Plane, vertices: Float[np.ndarray, "vertex 2"]) -> Plane:
    """Signed distance to the edges of a closed polygon, by the even-odd rule.

    Examples
    --------
    >>> triangle = np.float32([[0, 0], [2, 0], [0, 2]])
    >>> distance_to_polygon(np.float32([[0.5, -1]]), np.float32([[0.5, 0]]), triangle).tolist()
    [[-0.5, 1.0]]
    """
    squared = np.full_like(x, np.inf)
    inside = np.zeros(x.shape, bool)
    for (ax, ay), (bx, by) in zip(vertices, np.roll(vertices, -1, axis=0), strict=True):
        ex, ey = bx - ax, by - ay
        along = np.clip(((x - ax) * ex + (y - ay) * ey) / (ex**2 + ey**2), 0, 1)
        squared = np.minimum(squared, (x - ax - along * ex) ** 2 + (y - ay - along * ey) ** 2)
        if ay != by:
            inside ^= ((y < ay) != (y < by)) & (x < ax + (y - ay) * ex / ey)
    return np.where(inside, -1, 1).astype(x.dtype) * np.sqrt(squared)


def on_circle(radius: float, start: float, count: int) -> Float[np.ndarray, "vertex 2"]:
    """Place points at equal angles on a circle about the origin; `start` is in radians."""
    angles = start + 2 * np.pi * np.arange(count) / count
    return (radius * np.stack([np.cos(angles), np.sin(angles)], axis=1)).astype(np.float32)


def distance_to_box(x: Plane, y: Plane, half_width: float, half_height: float) -> Plane:
    """Signed distance to an axis-aligned box about the origin."""
    outside_x, outside_y = np.abs(x) - half_width, np.abs(y) - half_height
    outside = np.hypot(np.maximum(outside_x, 0), np.maximum(outside_y, 0))
    return outside + np.minimum(np.maximum(outside_x, outside_y), 0)


def near_any(x: Plane, y: Plane, points: Float[np.ndarray, "point 2"], radius: float) -> Mask:
    """Find the positions closer than `radius` to at least one of the points."""
    return np.any([np.hypot(x - px, y - py) < radius for px, py in points], axis=0)


SQUARE = on_circle(1.1, np.pi / 4, 4)
TRIANGLE = on_circle(1.15, np.pi / 2, 3)
# Ten corners, alternately outer and inner.
STAR = np.stack([on_circle(1.15, np.pi / 2, 5), on_circle(0.5, 0.7 * np.pi, 5)], 1).reshape(10, 2)
CROSS_HALF_WIDTH = 0.32
RING_INNER, RING_OUTER = 0.52, 1.0
BITE_X, BITE_RADIUS = 0.5, 0.8


def circle(x: Plane, y: Plane) -> Plane:
    """Disc of radius 0.95."""
    return np.hypot(x, y) - 0.95


def square(x: Plane, y: Plane) -> Plane:
    """Axis-aligned square."""
    return distance_to_box(x, y, float(SQUARE[0, 0]), float(SQUARE[0, 1]))


def triangle(x: Plane, y: Plane) -> Plane:
    """Equilateral triangle with a horizontal base."""
    return distance_to_polygon(x, y, TRIANGLE)


def star(x: Plane, y: Plane) -> Plane:
    """Five-pointed star."""
    return distance_to_polygon(x, y, STAR)


def cross(x: Plane, y: Plane) -> Plane:
    """Axis-aligned cross with four equal arms."""
    horizontal = distance_to_box(x, y, 1.05, CROSS_HALF_WIDTH)
    return np.minimum(horizontal, distance_to_box(x, y, CROSS_HALF_WIDTH, 1.05))


def ring(x: Plane, y: Plane) -> Plane:
    """Band between two circles."""
    middle, half = (RING_OUTER + RING_INNER) / 2, (RING_OUTER - RING_INNER) / 2
    return np.abs(np.hypot(x, y) - middle) - half


def heart(x: Plane, y: Plane) -> Plane:
    """Heart with its tip at the bottom: two arcs on a square that is turned by 45 degrees."""
    scale = 1.75
    x, y = np.abs(x) / scale, y / scale + 0.55
    arc = np.hypot(x - 0.25, y - 0.75) - np.float32(np.sqrt(2) / 4)
    half = np.maximum(x + y, 0) / 2
    side = np.sqrt(np.minimum(x**2 + (y - 1) ** 2, (x - half) ** 2 + (y - half) ** 2))
    return np.where(x + y > 1, arc, side * np.sign(x - y)) * scale


def crescent(x: Plane, y: Plane) -> Plane:
    """Disc without a smaller disc at its right side."""
    return np.maximum(np.hypot(x, y) - 1, BITE_RADIUS - np.hypot(x - BITE_X, y))


def within(radius: float) -> Callable[[Plane, Plane], Mask]:
    """Return a test for points in a disc about the origin."""
    return lambda x, y: np.hypot(x, y) < radius


# Order matters: the k-th shape and the k-th texture belong to the same class.
SHAPES: dict[str, Shape] = {
    "circle": Shape(
        circle,
        {"rim": lambda x, y: np.abs(np.hypot(x, y) - 0.82) < 0.13, "centre": within(0.4)},
    ),
    "square": Shape(
        square,
        {"corner": lambda x, y: (square(x, y) < 0) & near_any(x, y, SQUARE, 0.5)},
    ),
    "triangle": Shape(
        triangle,
        {"corner": lambda x, y: (triangle(x, y) < 0) & near_any(x, y, TRIANGLE, 0.6)},
    ),
    "star": Shape(
        star,
        {
            "arm": lambda x, y: (star(x, y) < 0) & (np.hypot(x, y) >= 0.5),
            "centre": within(0.4),
        },
    ),
    "cross": Shape(
        cross,
        {
            "arm": lambda x, y: (
                (cross(x, y) < 0) & (np.maximum(np.abs(x), np.abs(y)) >= CROSS_HALF_WIDTH)
            ),
            "centre": lambda x, y: np.maximum(np.abs(x), np.abs(y)) < CROSS_HALF_WIDTH,
        },
    ),
    "ring": Shape(
        ring,
        {
            "rim": lambda x, y: (ring(x, y) < 0) & (np.hypot(x, y) >= 0.76),
            "hole": within(RING_INNER),
        },
    ),
    "heart": Shape(
        heart,
        {
            "lobe": lambda x, y: (heart(x, y) < 0) & (y >= 0.2),
            "tip": lambda x, y: (heart(x, y) < 0) & (y < -0.35),
        },
    ),
    "crescent": Shape(
        crescent,
        {
            "horn": lambda x, y: (crescent(x, y) < 0) & (x >= 0),
            "back": lambda x, y: (crescent(x, y) < 0) & (x < -0.35),
        },
    ),
}
