"""A drawn world of textured shapes before backgrounds, with exact labels of every pixel.

A class has a shape and a texture. The shape is large and of high contrast; the texture is a
faint, fine pattern on it: a cue that predicts as well, and that a small perturbation can hide.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, UInt8
from PIL import Image

from shapebias.stimuli.synthetic.shapes import SHAPES
from shapebias.stimuli.synthetic.textures import TEXTURES

CLASSES = tuple(SHAPES)
TEXTURE_OF = dict(zip(SHAPES, TEXTURES, strict=True))
SCENES = ("plain", "gradient", "clouds", "horizon")
# Each pixel is the mean of this many squared samples.
SAMPLES = 2

Plane = Float[np.ndarray, "row column"]


@dataclass(frozen=True, kw_only=True)
class Drawing:
    """Everything that one image shows; lengths are in sides of the image, angles in radians.

    Parameters
    ----------
    shape, texture
        Names in `SHAPES` and `TEXTURES`; none where there is no shape, or no texture on it.
    patch
        Texture of a disc on the background behind the shape; none for no disc.
    """

    shape: str | None
    texture: str | None
    patch: str | None
    scene: str
    centre: tuple[float, float]
    radius: float
    turn: float
    texture_turn: float
    texture_shift: tuple[float, float]
    period: float
    amplitude: float
    colour: tuple[float, float, float]
    grounds: tuple[tuple[float, float, float], tuple[float, float, float]]
    patch_centre: tuple[float, float]
    patch_radius: float
    seed: int


def render(drawing: Drawing, size: int) -> UInt8[np.ndarray, "row column 3"]:
    """Pixels of a drawing, anti-aliased."""
    x, y = grid_of(size * SAMPLES)
    picture = background(drawing, x, y)
    if drawing.patch:
        picture += (pattern(drawing, drawing.patch, x, y) * patch_of(drawing, x, y))[..., None]
    if drawing.shape:
        fill = np.broadcast_to(np.float32(drawing.colour), picture.shape)
        if drawing.texture:
            fill = fill + pattern(drawing, drawing.texture, x, y)[..., None]
        picture = np.where(shape_of(drawing, x, y)[..., None], fill, picture)
    picture = picture.reshape(size, SAMPLES, size, SAMPLES, 3).mean(axis=(1, 3))
    return np.round(np.clip(picture, 0, 1) * 255).astype(np.uint8)


def label_maps(drawing: Drawing, size: int) -> dict[str, dict[str, Bool[np.ndarray, "row column"]]]:
    """Pixels of each concept that is drawn, by category (object, part, texture) and name."""
    x, y = grid_of(size)
    maps = {"object": {}, "part": {}, "texture": {}}
    if drawing.patch:
        maps["texture"][drawing.patch] = patch_of(drawing, x, y)
    if drawing.shape:
        inside = shape_of(drawing, x, y)
        maps["object"][drawing.shape] = inside
        maps["texture"] = {name: mask & ~inside for name, mask in maps["texture"].items()}
        if drawing.texture:
            covered = maps["texture"].get(drawing.texture, np.zeros_like(inside))
            maps["texture"][drawing.texture] = covered | inside
        local = local_coordinates(drawing, x, y)
        maps["part"] = {name: test(*local) for name, test in SHAPES[drawing.shape].parts.items()}
    return maps


def draw(
    rng: np.random.Generator,
    *,
    shape: str | None,
    texture: str | None,
    patch: str | None = None,
    amplitude: float,
    rotation: float,
) -> Drawing:
    """Draw at random all that the shape and the texture leave open.

    Parameters
    ----------
    rng
        Gives the same drawing for the same state and arguments.
    shape, texture, patch
        As in `Drawing`.
    amplitude
        Mean over images of the texture's greatest departure from the fill, of a lightness range
        of 1.
    rotation
        Greatest turn of the shape to either side, in degrees.
    """
    radius = rng.uniform(0.27, 0.4)
    free = 0.5 - radius * 0.95
    colour, grounds = draw_colours(rng)
    return Drawing(
        shape=shape,
        texture=texture,
        patch=patch,
        scene=SCENES[rng.integers(len(SCENES))],
        centre=tuple(0.5 + rng.uniform(-free, free, 2)),
        radius=radius,
        turn=np.radians(rng.uniform(-rotation, rotation)),
        texture_turn=np.radians(rng.uniform(-12, 12)),
        texture_shift=tuple(rng.uniform(0, 1, 2)),
        period=rng.uniform(0.9, 1.1) / 15,
        amplitude=amplitude * rng.uniform(0.8, 1.2),
        colour=colour,
        grounds=grounds,
        patch_centre=tuple(rng.uniform(0.15, 0.85, 2)),
        patch_radius=rng.uniform(0.2, 0.35),
        seed=int(rng.integers(2**31)),
    )


def draw_colours(rng: np.random.Generator) -> tuple:
    """Fill, and two colours of the background, of which each differs in luminance from it.

    Colours keep away from black and white, where a texture would be clipped.
    """
    weights = np.array([0.2126, 0.7152, 0.0722])
    while True:
        fill, first, second = (0.12 + 0.76 * draw_colour(rng) for _ in range(3))
        second = 0.6 * first + 0.4 * second
        differences = [weights @ fill - weights @ ground for ground in (first, second)]
        if min(np.abs(differences)) >= 0.25 and differences[0] * differences[1] > 0:
            return tuple(fill), (tuple(first), tuple(second))


def draw_colour(rng: np.random.Generator) -> Float[np.ndarray, " 3"]:
    """RGB of random hue, saturation and value."""
    hue, saturation, value = rng.uniform(0, 6), rng.uniform(0.1, 1), rng.uniform(0.1, 1)
    distance = np.abs((hue - np.array([0, 2, 4]) + 3) % 6 - 3)
    return value * (1 - saturation * np.clip(distance - 1, 0, 1))


def grid_of(side: int) -> tuple[Plane, Plane]:
    """Pixel centres: x to the right and y downwards, in [0, 1]."""
    centres = (np.arange(side, dtype=np.float32) + 0.5) / side
    return np.meshgrid(centres, centres)


def background(drawing: Drawing, x: Plane, y: Plane) -> Float[np.ndarray, "row column 3"]:
    """Mixture of the two ground colours, as the scene has it."""
    rng = np.random.default_rng(drawing.seed)
    if drawing.scene == "plain":
        share = np.zeros_like(x)
    elif drawing.scene == "gradient":
        angle = rng.uniform(0, 2 * np.pi)
        share = 0.5 + np.cos(angle) * (x - 0.5) + np.sin(angle) * (y - 0.5)
    elif drawing.scene == "clouds":
        blobs = Image.fromarray(rng.uniform(0, 1, (6, 6)).astype(np.float32))
        share = np.asarray(blobs.resize(x.shape, Image.Resampling.BICUBIC))
    else:
        share = (y > rng.uniform(0.4, 0.75)) + np.zeros_like(x)
    first, second = np.float32(drawing.grounds)
    return first + np.clip(share, 0, 1).astype(np.float32)[..., None] * (second - first)


def pattern(drawing: Drawing, texture: str, x: Plane, y: Plane) -> Plane:
    """What a texture adds to the colour, over the whole image."""
    cosine, sine = np.float32([np.cos(drawing.texture_turn), np.sin(drawing.texture_turn)])
    period, (left, up) = np.float32(drawing.period), np.float32(drawing.texture_shift)
    u, v = (cosine * x + sine * y) / period + left, (cosine * y - sine * x) / period + up
    rng = np.random.default_rng(drawing.seed)
    return np.float32(drawing.amplitude) * TEXTURES[texture](u, v, rng)


def shape_of(drawing: Drawing, x: Plane, y: Plane) -> Bool[np.ndarray, "row column"]:
    """Points inside the shape."""
    return SHAPES[drawing.shape].distance(*local_coordinates(drawing, x, y)) < 0


def local_coordinates(drawing: Drawing, x: Plane, y: Plane) -> tuple[Plane, Plane]:
    """Points in the shape's own coordinates, y upwards."""
    cosine, sine = np.float32([np.cos(drawing.turn), np.sin(drawing.turn)])
    dx, dy = ((points - np.float32(at)) for points, at in zip((x, y), drawing.centre, strict=True))
    radius = np.float32(drawing.radius)
    return (cosine * dx + sine * dy) / radius, (sine * dx - cosine * dy) / radius


def patch_of(drawing: Drawing, x: Plane, y: Plane) -> Bool[np.ndarray, "row column"]:
    """Points inside the disc of texture on the background."""
    left, up = drawing.patch_centre
    return np.hypot(x - np.float32(left), y - np.float32(up)) < np.float32(drawing.patch_radius)
