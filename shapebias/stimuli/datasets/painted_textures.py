"""Painted-looking textures drawn from a seed, as style images."""

import colorsys
from collections.abc import Callable, Iterator
from typing import Annotated

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image, ImageDraw
from scipy.ndimage import gaussian_filter

from shapebias.io.image_codec import encode_png
from shapebias.plugins import plugin
from shapebias.ranges import Range
from shapebias.seeds import generator_of

# Colours from dark to light, sRGB in [0, 1].
Shades = Float[np.ndarray, "shade 3"]
Picture = Float[np.ndarray, "size size 3"]
Map = Float[np.ndarray, "size size"]


@plugin
class PaintedTextures:
    """Colourful textures without labels, drawn from a seed; they serve as style images.

    Parameters
    ----------
    count
        Number of images; the manners (clouds, strokes, marbling, weave, blots, mosaic) take turns.
    size
        Side of an image, in pixels.
    seed
        Of all random draws.
    """

    count: Annotated[int, Range(ge=1)]
    size: Annotated[int, Range(ge=16)]
    seed: int

    def __len__(self) -> int:
        return self.count

    def rows(self, part: int, parts: int) -> Iterator[dict[str, str | bytes | None]]:
        """Rows of one contiguous part (from 0) of the images."""
        for number in range(part * self.count // parts, (part + 1) * self.count // parts):
            yield {
                "image_id": f"texture-{number:05d}",
                "image": encode_png(self.draw(number)),
                "path": None,
                "label": None,
            }

    def draw(self, number: int) -> UInt8[np.ndarray, "row column 3"]:
        """Pixels of one texture."""
        rng = generator_of("textures", self.seed, number)
        paint = MANNERS[number % len(MANNERS)]
        colours = paint(rng, self.size, palette(rng))
        return np.rint(255 * colours.clip(0, 1)).astype(np.uint8)


def palette(rng: np.random.Generator) -> Shades:
    """Five colours from dark to light: neighbouring hues, and a contrasting one among them."""
    hue, spread = rng.uniform(), rng.uniform(0.03, 0.12)
    hues = hue + spread * np.arange(-2, 3)
    hues[rng.integers(5)] += rng.uniform(0.35, 0.65)
    lightnesses = np.linspace(rng.uniform(0.12, 0.3), rng.uniform(0.7, 0.9), 5)
    saturations = rng.uniform(0.45, 0.95, 5)
    shades = zip(hues % 1, lightnesses, saturations, strict=True)
    return np.array([colorsys.hls_to_rgb(*shade) for shade in shades])


def clouds(rng: np.random.Generator, size: int, shades: Shades) -> Picture:
    """Layers of smooth noise, each finer and fainter than the one before."""
    height = sum(_field(rng, size, 2.0**octave) / 1.6**octave for octave in range(2, 6))
    return _shade(_spread(height), shades)


def strokes(rng: np.random.Generator, size: int, shades: Shades) -> Picture:
    """Short brush strokes along a slowly turning direction."""
    scale = 4
    canvas = Image.new("RGB", (scale * size, scale * size), _colour(shades[0]))
    brush = ImageDraw.Draw(canvas)
    turn = rng.uniform(0, np.pi) + 1.2 * _field(rng, size, 2.0)
    length, width = size / rng.uniform(6, 10), size / rng.uniform(16, 26)
    for _ in range(int(2.5 * size**2 / (length * width))):
        row, column = rng.integers(0, size, 2)
        step = 0.5 * length * np.array([np.cos(turn[row, column]), np.sin(turn[row, column])])
        ends = [scale * (np.array([column, row]) + side * step) for side in (-1, 1)]
        shade = shades[rng.integers(5)] + rng.normal(0, 0.04)
        brush.line([tuple(end) for end in ends], _colour(shade), max(2, round(scale * width)))
    return np.asarray(canvas.resize((size, size), Image.Resampling.BOX)) / 255


def marbling(rng: np.random.Generator, size: int, shades: Shades) -> Picture:
    """Veins of ink, combed and warped."""
    down, across = np.mgrid[:size, :size] / size
    angle = rng.uniform(0, np.pi)
    warp = 0.12 * _field(rng, size, 3.0) + 0.03 * _field(rng, size, 8.0)
    distance = np.cos(angle) * across + np.sin(angle) * down + warp
    veins = np.sin(2 * np.pi * rng.uniform(5, 9) * distance)
    return _shade((veins + 1) / 2, shades)


def weave(rng: np.random.Generator, size: int, shades: Shades) -> Picture:
    """Woven threads, each of one colour and shaded as if round."""
    threads = int(rng.integers(9, 14))
    down, across = np.mgrid[:size, :size] * threads / size
    wobble = 0.12 * _field(rng, size, 6.0)
    down, across = down + wobble, across + wobble.T
    warp_over = (np.floor(down) + np.floor(across)) % 2 == 0
    place = np.where(warp_over, across, down)
    thread = np.floor(place).astype(int) % threads
    thread_shades = rng.integers(0, 5, (2, threads))
    colour = shades[thread_shades[warp_over.astype(int), thread]]
    return colour * (0.45 + 0.6 * np.sin(np.pi * (place % 1)))[..., None]


def blots(rng: np.random.Generator, size: int, shades: Shades) -> Picture:
    """Overlapping washes of watercolour, darker along their edges."""
    picture = np.broadcast_to(shades[4], (size, size, 3)).copy()
    for shade in rng.permutation(shades[:4]):
        height = _field(rng, size, rng.uniform(5, 10)) - rng.uniform(0.2, 0.7)
        wash = 1 / (1 + np.exp(-height / 0.06))
        edge = 0.35 * np.exp(-((height / 0.18) ** 2)) * wash
        cover = (0.8 * wash)[..., None]
        picture = (1 - cover) * picture + cover * shade * (1 - edge)[..., None]
    return picture


def mosaic(rng: np.random.Generator, size: int, shades: Shades) -> Picture:
    """Tiles around scattered points, with dark joints."""
    tiles = int(rng.integers(60, 120))
    centres = rng.uniform(-0.05, 1.05, (tiles, 2))
    places = np.stack(np.mgrid[:size, :size], -1)[:, :, None] / size
    distances = np.sqrt(((places - centres) ** 2).sum(-1))
    nearest, second = np.partition(distances, 1, axis=-1)[..., :2].transpose(2, 0, 1)
    joint = np.clip((second - nearest) * np.sqrt(tiles) / 0.18, 0, 1)
    colours = shades[rng.integers(0, 5, tiles)] * rng.uniform(0.8, 1.15, (tiles, 1))
    return colours[distances.argmin(-1)] * (0.25 + 0.75 * joint)[..., None]


MANNERS: tuple[Callable[[np.random.Generator, int, Shades], Picture], ...] = (
    clouds,
    strokes,
    marbling,
    weave,
    blots,
    mosaic,
)


def _field(rng: np.random.Generator, size: int, features: float) -> Map:
    """Smooth noise of mean 0 and variance 1 with about `features` features along a side."""
    smooth = gaussian_filter(rng.standard_normal((size, size)), 0.4 * size / features, mode="wrap")
    return (smooth - smooth.mean()) / smooth.std()


def _spread(height: Map) -> Map:
    """Ranks of a field, spread evenly over [0, 1]."""
    return height.ravel().argsort().argsort().reshape(height.shape) / (height.size - 1)


def _shade(height: Map, shades: Shades) -> Picture:
    """Colours interpolated between the shades at heights in [0, 1]."""
    marks = np.linspace(0, 1, len(shades))
    return np.stack([np.interp(height, marks, shade) for shade in shades.T], axis=-1)


def _colour(shade: Float[np.ndarray, "3"]) -> tuple[int, int, int]:
    red, green, blue = (round(255 * float(level)) for level in shade.clip(0, 1))
    return red, green, blue
