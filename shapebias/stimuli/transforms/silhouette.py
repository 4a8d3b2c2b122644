"""Silhouettes: the mask of the image's own class in black and white."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from jaxtyping import Bool, UInt8

from shapebias.errors import ShapebiasError, UnknownName
from shapebias.ranges import Range
from shapebias.stimuli.entry_level_classes import entry_level_of


def build(
    *,
    segmenter: Callable,
    background: Literal["white", "black"] = "white",
    min_coverage: Annotated[float, Range(ge=0, le=1)] = 0.01,
    max_coverage: Annotated[float, Range(ge=0, le=1)] = 0.95,
    entry_level: Literal["none", "imagenet_16"] = "none",
    unknown: Literal["refuse", "leave_out"] = "refuse",
) -> "Silhouette":
    """Transform that draws the segmented object of an image's own class, filled.

    Parameters
    ----------
    segmenter
        ``segmenter(pixels)`` gives the index of each pixel's class in ``segmenter.classes``, as
        an integer array ``(row, column)``; the first class is "background". ``segmenter.source``
        says which segmenter it is.
    background
        Colour of what is not the object: "white" (the object is black) or "black" (it is white).
    min_coverage, max_coverage
        Share of the image that the mask must cover, both ends included; an image outside, or
        without a mask, is left out.
    entry_level
        "imagenet_16" where labels are WordNet ids, to be brought to their entry-level class;
        "none" where they are the segmenter's classes themselves.
    unknown
        What becomes of an image whose label is no class of the segmenter: "refuse" stops there,
        "leave_out" leaves it out and counts it.
    """
    return Silhouette(
        segmenter=segmenter,
        background=background,
        min_coverage=min_coverage,
        max_coverage=max_coverage,
        entry_level=entry_level,
        unknown=unknown,
    )


@dataclass(frozen=True, kw_only=True)
class Silhouette:
    """Mask of an image's own label, as a segmenter sees it, in black and white.

    Parameters
    ----------
    segmenter, background, min_coverage, max_coverage, entry_level, unknown
        See `build`.
    """

    segmenter: Callable
    background: str = "white"
    min_coverage: float = 0.01
    max_coverage: float = 0.95
    entry_level: str = "none"
    unknown: str = "refuse"

    def __post_init__(self):
        entry_level_of(self.entry_level)
        if self.unknown not in ("refuse", "leave_out"):
            raise UnknownName("`unknown` of a silhouette", self.unknown, ("refuse", "leave_out"))
        if self.background not in ("white", "black"):
            raise UnknownName("background of a silhouette", self.background, ("white", "black"))
        if not 0 <= self.min_coverage <= self.max_coverage <= 1:
            raise ShapebiasError(
                "a silhouette needs 0 <= min_coverage <= max_coverage <= 1, not"
                f" min_coverage {self.min_coverage} and max_coverage {self.max_coverage}"
            )

    def __call__(
        self,
        pixels: UInt8[np.ndarray, "row column 3"],
        *,
        rng: np.random.Generator | None = None,
        label: str | None,
    ) -> tuple[UInt8[np.ndarray, "row column 3"] | None, dict[str, float | int | str]]:
        """Silhouette of the label's class.

        Returns
        -------
        The image, or None where it is left out; ``coverage``, the share of the image that the
        mask covers, in [0, 1]; and ``mask_source``, the segmenter.

        Raises
        ------
        UnknownName
            If the segmenter does not know the label, or there is none, and that is refused.
        """
        mask = self.mask(pixels, label)
        coverage = float(mask.mean())
        kept = self.min_coverage <= coverage <= self.max_coverage and mask.any()
        drawn = {"coverage": coverage, "mask_source": self.segmenter.source}
        return (self.draw(mask) if kept else None), drawn

    def mask(
        self, pixels: UInt8[np.ndarray, "row column 3"], label: str | None
    ) -> Bool[np.ndarray, "row column"]:
        """Pixels of the label's class; none where the label is unknown and that is allowed."""
        entry_level = entry_level_of(self.entry_level) or {}
        name, known = entry_level.get(label, label), self.segmenter.classes[1:]
        if name in known:
            return self.segmenter(pixels) == self.segmenter.classes.index(name)
        if self.unknown == "refuse":
            raise UnknownName("class of the segmenter", name, known)
        return np.zeros(pixels.shape[:2], bool)

    def draw(self, mask: np.ndarray) -> UInt8[np.ndarray, "row column 3"]:
        """Mask in black on white, or white on black."""
        white = mask if self.background == "black" else ~mask
        return np.repeat(np.where(white, 255, 0).astype(np.uint8)[..., None], 3, axis=2)
