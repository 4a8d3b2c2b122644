"""Synthetic images of textured shapes, whose shape and texture agree or conflict."""

import itertools
from collections.abc import Iterator
from typing import Annotated, Any, Literal

from shapebias.errors import ShapebiasError
from shapebias.io.image_codec import encode_png
from shapebias.plugins import plugin
from shapebias.ranges import Range
from shapebias.seeds import generator_of
from shapebias.stimuli.synthetic.scene import CLASSES, TEXTURE_OF, draw, render

PAIRS = {
    "agree": [(name, name) for name in CLASSES],
    "conflict": list(itertools.permutations(CLASSES, 2)),
}


@plugin
class SyntheticImages:
    """Textured shapes, equally many of every class or pair of classes.

    Parameters
    ----------
    cues
        "agree": a class's shape with its own texture; "conflict": one class's shape with the
        texture of another, all ordered pairs in turn, and the label is the shape's class.
    count
        Number of images; a multiple of the number of classes (8) or of pairs (56).
    size
        Side of an image, in pixels.
    seed
        Of all random draws.
    split
        First part of the image ids; images of other splits are drawn independently.
    amplitude
        Strength of the texture, relative to a lightness range of 1.
    rotation
        Largest rotation of a shape in either direction, in degrees.
    conflicting_shapes
        Share of the images with agreeing cues whose shape is nevertheless another class's, drawn
        at random; their label is the texture's class. In training images it makes the shape,
        which withstands perturbations, slightly less predictive than the texture, which does
        not [1]_.

    Raises
    ------
    ShapebiasError
        If `count` is not such a multiple.

    References
    ----------
    .. [1] Tsipras et al. (2019). Robustness may be at odds with accuracy. ICLR.
       :DOI:`10.48550/arXiv.1805.12152`
    """

    cues: Literal["agree", "conflict"]
    count: Annotated[int, Range(ge=1)]
    size: Annotated[int, Range(ge=8)]
    seed: int
    split: str
    amplitude: Annotated[float, Range(ge=0, le=1)] = 0.13
    rotation: Annotated[float, Range(ge=0, le=180)] = 30.0
    conflicting_shapes: Annotated[float, Range(ge=0, le=1)] = 0.0

    def __post_init__(self):
        if self.count % len(PAIRS[self.cues]):
            raise ShapebiasError(
                f"datasets/synthetic: count {self.count} is not a multiple of "
                f"{len(PAIRS[self.cues])}, the number of pairs of shape and texture whose cues "
                f"{self.cues}"
            )

    def __len__(self) -> int:
        return self.count

    def rows(self, part: int, parts: int) -> Iterator[dict[str, Any]]:
        """Rows of one contiguous part (from 0) of the images."""
        for index in range(part * self.count // parts, (part + 1) * self.count // parts):
            yield self.row(index)

    def row(self, index: int) -> dict[str, Any]:
        """One image; `shape` and `texture` name the classes that its cues belong to."""
        pairs = PAIRS[self.cues]
        label, texture = shape, _ = pairs[index % len(pairs)]
        image_id = f"{self.split}-{index:05d}"
        rng = generator_of("world", self.seed, image_id)
        if self.cues == "agree" and rng.random() < self.conflicting_shapes:
            shape = rng.choice([other for other in CLASSES if other != label])
        drawing = draw(
            rng,
            shape=str(shape),
            texture=TEXTURE_OF[texture],
            amplitude=self.amplitude,
            rotation=self.rotation,
        )
        return {
            "image_id": image_id,
            "image": encode_png(render(drawing, self.size)),
            "path": None,
            "label": label,
            "shape": str(shape),
            "texture": texture,
        }
