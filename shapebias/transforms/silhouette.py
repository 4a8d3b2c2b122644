"""Silhouettes: the mask of the image's own class in black and white."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import UInt8

from shapebias.errors import ShapebiasError, UnknownName


def build(
    *,
    segmenter: Callable,
    ground: str = "white",
    smallest: float = 0.01,
    largest: float = 0.95,
) -> "Silhouette":
    """Transform that draws the segmented object of an image's own class, filled.

    Parameters
    ----------
    segmenter
        ``segmenter(pixels)`` gives the index of each pixel's class in ``segmenter.classes``, as
        an integer array ``(row, column)``; the first class is "background".
    ground
        Colour of what is not the object: "white" (the object is black) or "black" (it is white).
    smallest, largest
        Share of the image that the mask must cover, both ends included; an image outside is left
        out.
    """
    return Silhouette(segmenter=segmenter, ground=ground, smallest=smallest, largest=largest)


@dataclass(frozen=True, kw_only=True)
class Silhouette:
    """Mask of an image's own label, as a segmenter sees it, in black and white.

    Parameters
    ----------
    segmenter, ground, smallest, largest
        See `build`.
    """

    segmenter: Callable
    ground: str = "white"
    smallest: float = 0.01
    largest: float = 0.95

    def __post_init__(self):
        if self.ground not in ("white", "black"):
            raise UnknownName("ground of a silhouette", self.ground, ("white", "black"))
        if not 0 <= self.smallest <= self.largest <= 1:
            raise ShapebiasError(
                "a silhouette needs 0 <= smallest <= largest <= 1, not"
                f" smallest {self.smallest} and largest {self.largest}"
            )

    def __call__(
        self,
        pixels: UInt8[np.ndarray, "row column 3"],
        *,
        rng: np.random.Generator | None = None,
        label: str | None,
    ) -> tuple[UInt8[np.ndarray, "row column 3"] | None, dict[str, float | int]]:
        """Silhouette of the label's class.

        Returns
        -------
        The image, or None where the mask is too small or too large; ``coverage``, the share of
        the image that the mask covers, in [0, 1]; and ``kept``, 1 or 0.

        Raises
        ------
        UnknownName
            If the segmenter does not know the label, or there is none.
        """
        if label not in self.segmenter.classes[1:]:
            raise UnknownName("class of the segmenter", label, self.segmenter.classes[1:])
        mask = self.segmenter(pixels) == self.segmenter.classes.index(label)
        coverage = float(mask.mean())
        kept = self.smallest <= coverage <= self.largest
        drawn = {"coverage": coverage, "kept": int(kept)}
        return (self.draw(mask) if kept else None), drawn

    def draw(self, mask: np.ndarray) -> UInt8[np.ndarray, "row column 3"]:
        """Mask in black on white, or white on black."""
        white = mask if self.ground == "black" else ~mask
        return np.repeat(np.where(white, 255, 0).astype(np.uint8)[..., None], 3, axis=2)
