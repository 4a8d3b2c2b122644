"""Synthetic scenes: textured shapes on backgrounds, with exact labels of every pixel.

A class has a shape and a texture. The shape is large and of high contrast; the texture is a faint,
fine pattern on it. Both cues predict the class, but a small perturbation can hide the texture.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, UInt8
from PIL import Image

from shapebias.stimuli.synthetic.shapes import SHAPES
from shapebias.stimuli.synthetic.textures import TEXTURES

CLASSES = tuple(SHAPES)
TEXTURE_OF = dict(zip(SHAPES, TEXTURES, strict=True))
BACKGROUNDS = ("plain", "gradient", "clouds", "horizon")
# Each pixel is the mean of SAMPLES x SAMPLES samples.
SAMPLES = 2

Plane = Float[np.ndarray, "row column"]
Mask = Bool[np.ndarray, "row column"]
Colour = tuple[float, float, float]


@dataclass(frozen=True, kw_only=True)
class SceneParameters:
    """Parameters of one image; lengths are fractions of its side, angles are in radians.

    Parameters
    ----------
    shape, texture
        Names in `SHAPES` and `TEXTURES`; None for no shape, or for no texture on it.
    disc_texture
        Texture of a disc on the background behind the shape; None for no disc.
    background
        One of `BACKGROUNDS`, a mixture of the two `background_colours`.
    centre, radius, rotation, colour
        Position, size, rotation and fill of the shape.
    texture_rotation, texture_shift, period, amplitude
        Rotation of the patterns, their shift in periods, their period, and their greatest
        deviation from the fill, of a lightness range of 1.
    disc_centre, disc_radius
        Position and size of the disc.
    seed
        Seed of what is random in the background and the patterns.
    """

    shape: str | None
    texture: str | None
    disc_texture: str | None
    background: str
    centre: tuple[float, float]
    radius: float
    rotation: float
    texture_rotation: float
    texture_shift: tuple[float, float]
    period: float
    amplitude: float
    colour: Colour
    background_colours: tuple[Colour, Colour]
    disc_centre: tuple[float, float]
    disc_radius: float
    seed: int


def render(scene: SceneParameters, size: int) -> UInt8[np.ndarray, "row column 3"]:
    """Render a scene with anti-aliasing."""
    x, y = pixel_grid(size * SAMPLES)
    picture = draw_background(scene, x, y)
    if scene.disc_texture:
        disc = pattern(scene, scene.disc_texture, x, y) * disc_mask(scene, x, y)
        picture += disc[..., None]
    if scene.shape:
        fill = np.broadcast_to(np.float32(scene.colour), picture.shape)
        if scene.texture:
            fill = fill + pattern(scene, scene.texture, x, y)[..., None]
        picture = np.where(shape_mask(scene, x, y)[..., None], fill, picture)
    picture = picture.reshape(size, SAMPLES, size, SAMPLES, 3).mean(axis=(1, 3))
    return np.round(np.clip(picture, 0, 1) * 255).astype(np.uint8)


def label_maps(scene: SceneParameters, size: int) -> dict[str, dict[str, Mask]]:
    """Compute the mask of each visible concept by category (object, part, texture) and name."""
    x, y = pixel_grid(size)
    maps = {"object": {}, "part": {}, "texture": {}}
    if scene.disc_texture:
        maps["texture"][scene.disc_texture] = disc_mask(scene, x, y)
    if scene.shape:
        inside = shape_mask(scene, x, y)
        maps["object"][scene.shape] = inside
        maps["texture"] = {name: mask & ~inside for name, mask in maps["texture"].items()}
        if scene.texture:
            disc = maps["texture"].get(scene.texture, np.zeros_like(inside))
            maps["texture"][scene.texture] = disc | inside
        local = local_coordinates(scene, x, y)
        maps["part"] = {name: test(*local) for name, test in SHAPES[scene.shape].parts.items()}
    return maps


def draw(
    rng: np.random.Generator,
    *,
    shape: str | None,
    texture: str | None,
    disc_texture: str | None = None,
    amplitude: float,
    rotation: float,
) -> SceneParameters:
    """Draw a random scene with a given shape and given textures.

    Parameters
    ----------
    rng
        Source of all random numbers.
    shape, texture, disc_texture
        As in `SceneParameters`.
    amplitude
        Mean over images of the greatest deviation of the texture from the fill, of a lightness
        range of 1.
    rotation
        Largest rotation of the shape to either side, in degrees.
    """
    radius = rng.uniform(0.27, 0.4)
    max_shift = 0.5 - radius * 0.95
    colour, background_colours = draw_colours(rng)
    return SceneParameters(
        shape=shape,
        texture=texture,
        disc_texture=disc_texture,
        background=BACKGROUNDS[rng.integers(len(BACKGROUNDS))],
        centre=tuple(0.5 + rng.uniform(-max_shift, max_shift, 2)),
        radius=radius,
        rotation=np.radians(rng.uniform(-rotation, rotation)),
        texture_rotation=np.radians(rng.uniform(-12, 12)),
        texture_shift=tuple(rng.uniform(0, 1, 2)),
        period=rng.uniform(0.9, 1.1) / 15,
        amplitude=amplitude * rng.uniform(0.8, 1.2),
        colour=colour,
        background_colours=background_colours,
        disc_centre=tuple(rng.uniform(0.15, 0.85, 2)),
        disc_radius=rng.uniform(0.2, 0.35),
        seed=int(rng.integers(2**31)),
    )


def draw_colours(rng: np.random.Generator) -> tuple[Colour, tuple[Colour, Colour]]:
    """Draw a fill and two background colours, both lighter or both darker than the fill.

    No colour is close to black or white, where a texture would be clipped.
    """
    weights = np.array([0.2126, 0.7152, 0.0722])
    while True:
        fill, first, second = (0.12 + 0.76 * draw_colour(rng) for _ in range(3))
        second = 0.6 * first + 0.4 * second
        differences = [weights @ fill - weights @ colour for colour in (first, second)]
        if min(np.abs(differences)) >= 0.25 and differences[0] * differences[1] > 0:
            return tuple(fill), (tuple(first), tuple(second))


def draw_colour(rng: np.random.Generator) -> Float[np.ndarray, " 3"]:
    """Draw an RGB colour of random hue, saturation and value."""
    hue, saturation, value = rng.uniform(0, 6), rng.uniform(0.1, 1), rng.uniform(0.1, 1)
    distance = np.abs((hue - np.array([0, 2, 4]) + 3) % 6 - 3)
    return value * (1 - saturation * np.clip(distance - 1, 0, 1))


def pixel_grid(side: int) -> tuple[Plane, Plane]:
    """Compute the pixel centres: x to the right and y downwards, in [0, 1]."""
    centres = (np.arange(side, dtype=np.float32) + 0.5) / side
    return np.meshgrid(centres, centres)


def draw_background(
    scene: SceneParameters, x: Plane, y: Plane
) -> Float[np.ndarray, "row column 3"]:
    """Mix the two background colours as the kind of background requires."""
    rng = np.random.default_rng(scene.seed)
    if scene.background == "plain":
        weight = np.zeros_like(x)
    elif scene.background == "gradient":
        angle = rng.uniform(0, 2 * np.pi)
        weight = 0.5 + np.cos(angle) * (x - 0.5) + np.sin(angle) * (y - 0.5)
    elif scene.background == "clouds":
        blobs = Image.fromarray(rng.uniform(0, 1, (6, 6)).astype(np.float32))
        weight = np.asarray(blobs.resize(x.shape, Image.Resampling.BICUBIC))
    else:
        weight = (y > rng.uniform(0.4, 0.75)) + np.zeros_like(x)
    first, second = np.float32(scene.background_colours)
    return first + np.clip(weight, 0, 1).astype(np.float32)[..., None] * (second - first)


def pattern(scene: SceneParameters, texture: str, x: Plane, y: Plane) -> Plane:
    """Compute what a texture adds to the colour, over the whole image."""
    cosine, sine = np.float32([np.cos(scene.texture_rotation), np.sin(scene.texture_rotation)])
    period, (left, up) = np.float32(scene.period), np.float32(scene.texture_shift)
    u, v = (cosine * x + sine * y) / period + left, (cosine * y - sine * x) / period + up
    rng = np.random.default_rng(scene.seed)
    return np.float32(scene.amplitude) * TEXTURES[texture](u, v, rng)


def shape_mask(scene: SceneParameters, x: Plane, y: Plane) -> Mask:
    """Find the points inside the shape."""
    return SHAPES[scene.shape].distance(*local_coordinates(scene, x, y)) < 0


def local_coordinates(scene: SceneParameters, x: Plane, y: Plane) -> tuple[Plane, Plane]:
    """Transform points to the coordinates of the shape, y upwards."""
    cosine, sine = np.float32([np.cos(scene.rotation), np.sin(scene.rotation)])
    dx, dy = x - np.float32(scene.centre[0]), y - np.float32(scene.centre[1])
    radius = np.float32(scene.radius)
    return (cosine * dx + sine * dy) / radius, (sine * dx - cosine * dy) / radius


def disc_mask(scene: SceneParameters, x: Plane, y: Plane) -> Mask:
    """Find the points inside the textured disc on the background."""
    left, up = scene.disc_centre
    return np.hypot(x - np.float32(left), y - np.float32(up)) < np.float32(scene.disc_radius)
