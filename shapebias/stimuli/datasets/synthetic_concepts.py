"""Synthetic images in which all cues vary independently, with a label for every pixel."""

from collections.abc import Iterator
from functools import cached_property
from typing import Annotated, Any

import numpy as np
from jaxtyping import UInt8, UInt16

from shapebias.io.image_codec import encode_png
from shapebias.plugins import plugin
from shapebias.ranges import Range
from shapebias.seeds import generator_of
from shapebias.stimuli.synthetic.scene import (
    BACKGROUNDS,
    SceneParameters,
    draw,
    label_maps,
    render,
)
from shapebias.stimuli.synthetic.shapes import SHAPES
from shapebias.stimuli.synthetic.textures import TEXTURES

# Named colours, sRGB 0 to 255; a pixel gets the name of the nearest.
PALETTE = {
    "black": (20, 20, 20),
    "grey": (125, 125, 125),
    "white": (225, 225, 225),
    "red": (200, 45, 45),
    "brown": (110, 75, 45),
    "orange": (220, 140, 50),
    "yellow": (205, 205, 60),
    "green": (60, 150, 60),
    "cyan": (60, 190, 190),
    "blue": (50, 70, 190),
    "purple": (120, 50, 150),
    "pink": (215, 120, 180),
}


@plugin
class SyntheticConcepts:
    """Concept set of objects, their parts, textures, colours and scenes.

    A shape, its texture, a disc of texture on the background, and the scene are drawn
    independently of one another, so that no texture belongs to a shape.

    Parameters
    ----------
    count
        Number of images.
    size
        Side of an image and of its label maps, in pixels.
    seed
        Of all random draws.
    split
        First part of the image ids; images of other splits are drawn independently.
    amplitude, rotation
        As for `synthetic`.
    shapes, textures, patches
        Share of the images with a shape, of the shapes with a texture, and of the images with a
        disc of texture on the background.
    """

    count: Annotated[int, Range(ge=1)]
    size: Annotated[int, Range(ge=8)]
    seed: int
    split: str
    amplitude: Annotated[float, Range(ge=0, le=1)] = 0.13
    rotation: Annotated[float, Range(ge=0, le=180)] = 30.0
    shapes: Annotated[float, Range(ge=0, le=1)] = 0.85
    textures: Annotated[float, Range(ge=0, le=1)] = 0.7
    patches: Annotated[float, Range(ge=0, le=1)] = 0.35

    @property
    def concepts(self) -> list[tuple[int, str, str]]:
        """Number (from 1), name and category of every concept."""
        return concepts()

    @cached_property
    def _numbers(self) -> dict[tuple[str, str], int]:
        return {(category, name): number for number, name, category in self.concepts}

    def __len__(self) -> int:
        return self.count

    def rows(self, part: int, parts: int) -> Iterator[dict[str, Any]]:
        """Rows of one contiguous part (from 0) of the images."""
        for index in range(part * self.count // parts, (part + 1) * self.count // parts):
            yield self.row(index)

    def row(self, index: int) -> dict[str, Any]:
        """One image, its label maps, and its scene as a label of the whole image."""
        image_id = f"{self.split}-{index:05d}"
        drawing = self.drawing(generator_of("world concepts", self.seed, image_id))
        pixels = render(drawing, self.size)
        maps = [
            (category, self.numbered(category, masks))
            for category, masks in label_maps(drawing, self.size).items()
            if masks
        ]
        maps.append(("color", named_colours(pixels, self._numbers)))
        labels = [("scene", self._numbers["scene", drawing.background])]
        return {"image_id": image_id, "image": encode_png(pixels), "maps": maps, "labels": labels}

    def drawing(self, rng: np.random.Generator) -> SceneParameters:
        """What one image shows."""
        shape, texture, patch = rng.choice(list(SHAPES)), *rng.choice(list(TEXTURES), 2)
        shares = {"shape": self.shapes, "texture": self.textures, "patch": self.patches}
        has = {cue: rng.random() < share for cue, share in shares.items()}
        return draw(
            rng,
            shape=str(shape) if has["shape"] else None,
            texture=str(texture) if has["texture"] else None,
            disc_texture=str(patch) if has["patch"] else None,
            amplitude=self.amplitude,
            rotation=self.rotation,
        )

    def numbered(self, category: str, masks: dict) -> UInt16[np.ndarray, "row column"]:
        """One map of the numbers of a category's disjoint concepts."""
        numbers = np.zeros((self.size, self.size), np.uint16)
        for name, mask in masks.items():
            numbers[mask] = self._numbers[category, name]
        return numbers


def concepts() -> list[tuple[int, str, str]]:
    """Number (from 1), name and category of every concept."""
    names = {
        "object": list(SHAPES),
        "part": sorted({part for shape in SHAPES.values() for part in shape.parts}),
        "scene": list(BACKGROUNDS),
        "texture": list(TEXTURES),
        "color": list(PALETTE),
    }
    pairs = [(name, category) for category, in_it in names.items() for name in in_it]
    return [(number, *pair) for number, pair in enumerate(pairs, start=1)]


def named_colours(
    pixels: UInt8[np.ndarray, "row column 3"], numbers: dict[tuple[str, str], int]
) -> UInt16[np.ndarray, "row column"]:
    """Number of the palette's colour that is nearest to each pixel."""
    palette = np.array(list(PALETTE.values()))
    squared = ((pixels[..., None, :].astype(int) - palette) ** 2).sum(axis=-1)
    of_palette = np.array([numbers["color", name] for name in PALETTE], np.uint16)
    return of_palette[squared.argmin(axis=-1)]
