"""Silhouettes: the mask of the image's own class in black and white."""

from collections.abc import Callable
from typing import Annotated, Literal

import numpy as np
from jaxtyping import Bool, UInt8

from shapebias.errors import ShapebiasError, UnknownName
from shapebias.plugins import plugin
from shapebias.ranges import Range
from shapebias.stimuli.entry_level_classes import entry_level_of


@plugin
class Silhouette:
    """Draw the segmented object of an image's own class, filled.

    Parameters
    ----------
    segmenter
        Segmentation network. A study gives its name under `segmenters`. As a function,
        ``segmenter(pixels)`` returns the index of each pixel's class in ``segmenter.classes``, an
        integer array ``(row, column)``; the first class is "background". ``segmenter.source``
        is recorded.
    background
        Colour of the background: "white" (the object is black) or "black" (it is white).
    min_coverage, max_coverage
        Fraction of the image that the mask must cover, both bounds included; images outside these
        bounds, or without a mask, are rejected.
    entry_level
        "imagenet_16" if labels are WordNet ids, to be mapped to their entry-level class; "none"
        if they are classes of the segmenter.
    unknown
        What to do with an image whose label is not a class of the segmenter: "refuse" raises an
        error, "leave_out" rejects the image and counts it.
    """

    segmenter: Callable
    background: Literal["white", "black"] = "white"
    min_coverage: Annotated[float, Range(ge=0, le=1)] = 0.01
    max_coverage: Annotated[float, Range(ge=0, le=1)] = 0.95
    entry_level: Literal["none", "imagenet_16"] = "none"
    unknown: Literal["refuse", "leave_out"] = "refuse"

    def __post_init__(self):
        if self.min_coverage > self.max_coverage:
            raise ShapebiasError(
                f"silhouette: min_coverage {self.min_coverage} is above max_coverage"
                f" {self.max_coverage}; exchange them"
            )

    def __call__(
        self,
        pixels: UInt8[np.ndarray, "row column 3"],
        *,
        rng: np.random.Generator | None = None,
        label: str | None,
    ) -> tuple[UInt8[np.ndarray, "row column 3"] | None, dict[str, float | int | str]]:
        """Draw the silhouette of the label's class; nothing is random.

        Returns
        -------
        The image, or None if it is rejected; ``coverage``, the fraction of the image that the
        mask covers, in [0, 1]; and ``mask_source``, the segmenter.

        Raises
        ------
        UnknownName
            If the label is None or not a class of the segmenter, and `unknown` is "refuse".
        """
        mask = self.mask(pixels, label)
        coverage = float(mask.mean())
        is_valid = self.min_coverage <= coverage <= self.max_coverage and mask.any()
        drawn = {"coverage": coverage, "mask_source": self.segmenter.source}
        return (self.draw(mask) if is_valid else None), drawn

    def mask(
        self, pixels: UInt8[np.ndarray, "row column 3"], label: str | None
    ) -> Bool[np.ndarray, "row column"]:
        """Segment the label's class; empty if the label is unknown and that is allowed."""
        entry_level = entry_level_of(self.entry_level) or {}
        name, known = entry_level.get(label, label), self.segmenter.classes[1:]
        if name in known:
            return self.segmenter(pixels) == self.segmenter.classes.index(name)
        if self.unknown == "refuse":
            raise UnknownName("class of the segmenter", name, known)
        return np.zeros(pixels.shape[:2], bool)

    def draw(self, mask: Bool[np.ndarray, "row column"]) -> UInt8[np.ndarray, "row column 3"]:
        """Draw a mask in black on white, or white on black."""
        is_white = mask if self.background == "black" else ~mask
        return np.repeat(np.where(is_white, 255, 0).astype(np.uint8)[..., None], 3, axis=2)
